"""Small copies of the datasets in their real layouts, typed by hand from what is known of the real trees.

Nothing here uses the renderer or an adapter, so that writer and adapter cannot share one misreading.
"""

from pathlib import Path

import numpy as np
from PIL import Image


def image(path: Path, size: tuple[int, int] = (64, 48), value: int = 0, mode: str = "RGB") -> None:
    """A gradient with a square whose place depends on `value`, so that no two images are alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    x = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    pixels = (x * (0.4 + 0.6 * ((value * 37) % 17) / 17)).astype(np.uint8)
    at = (value * 13) % max(1, width - 12), (value * 29) % max(1, height - 12)
    pixels[at[1] : at[1] + 10, at[0] : at[0] + 10] = (value * 53) % 256
    image = Image.fromarray(pixels)
    image.convert(mode).save(path)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8"))


def sheet(path: Path, *pages: list[list[object]]) -> None:
    import openpyxl

    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(pages):
        page = book.create_sheet(f"Sheet{number + 1}")
        for row in rows:
            page.append(row)
    book.save(path)


# ---------------------------------------------------------------------------------------------------- CK+


def ckplus(root: Path) -> None:
    """4 subjects; one sequence with an empty label folder, one without any; a contempt sequence; a .DS_Store."""
    lengths = {
        ("S005", "001"): 11, ("S005", "002"): 6, ("S010", "001"): 5, ("S010", "002"): 8,
        ("S130", "007"): 12, ("S130", "013"): 7, ("S501", "001"): 5, ("S501", "006"): 9,
    }  # fmt: skip
    for serial, ((subject, sequence), length) in enumerate(lengths.items()):
        for n in range(1, length + 1):
            image(
                root / f"cohn-kanade-images/{subject}/{sequence}/{subject}_{sequence}_{n:08d}.png",
                value=100 * serial + n,
                mode="L",
            )
            points = "".join(f"   {40 + i * 1.5:.7e}   {20 + i:.7e}\n" for i in range(68))
            text(root / f"Landmarks/{subject}/{sequence}/{subject}_{sequence}_{n:08d}_landmarks.txt", points)
        text(root / f"FACS/{subject}/{sequence}/{subject}_{sequence}_{length:08d}_facs.txt",
             "   4.0000000e+00   3.0000000e+00\n   1.7000000e+01   0.0000000e+00\n")  # fmt: skip
    text(root / "Emotion/S005/001/S005_001_00000011_emotion.txt", "   3.0000000e+00\n")
    (root / "Emotion/S005/002").mkdir(parents=True)  # a label folder that is empty: not labelled
    text(root / "Emotion/S010/001/S010_001_00000005_emotion.txt", "   7.0000000e+00\n")
    text(root / "Emotion/S010/002/S010_002_00000008_emotion.txt", "   1.0000000e+00\n")
    text(root / "Emotion/S130/007/S130_007_00000012_emotion.txt", "   2.0000000e+00\n")
    # S130/013 has no label folder at all
    text(root / "Emotion/S501/001/S501_001_00000005_emotion.txt", "   5.0000000e+00\n")
    text(root / "Emotion/S501/006/S501_006_00000009_emotion.txt", "   6.0000000e+00\n")
    text(root / "cohn-kanade-images/S005/001/.DS_Store", "x")


CKPLUS = {
    "ckplus/S005/001": ("disgust", 11), "ckplus/S010/001": ("surprise", 5), "ckplus/S010/002": ("anger", 8),
    "ckplus/S130/007": ("contempt", 12), "ckplus/S501/001": ("happiness", 5), "ckplus/S501/006": ("sadness", 9),
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------- FER2013

FER_LABELS = [0, 1, 2, 3, 4, 5, 6, 3, 6, 4, 0, 2, 5, 3, 6, 1, 4, 3, 0, 6, 2, 5, 4, 3, 6, 0, 1, 3, 5, 4]
FER_USAGE = ["Training"] * 18 + ["PublicTest"] * 6 + ["PrivateTest"] * 6


def fer_pixels(row: int) -> np.ndarray:
    return ((np.arange(2304) * (row + 3)) % 256).astype(np.uint8).reshape(48, 48)


def fer2013_csv(root: Path) -> None:
    """30 rows, header `emotion,pixels,Usage`."""
    lines = ["emotion,pixels,Usage"]
    for row, (label, usage) in enumerate(zip(FER_LABELS, FER_USAGE, strict=True)):
        lines.append(f"{label},{' '.join(str(v) for v in fer_pixels(row).ravel())},{usage}")
    text(root / "fer2013.csv", "\n".join(lines) + "\n")


def fer2013_icml(root: Path) -> None:
    """The same rows as `icml_face_data.csv`: blanks in the header, another order of the columns."""
    lines = ["emotion, Usage, pixels"]
    for row, (label, usage) in enumerate(zip(FER_LABELS, FER_USAGE, strict=True)):
        lines.append(f"{label},{usage},{' '.join(str(v) for v in fer_pixels(row).ravel())}")
    text(root / "icml_face_data.csv", "\n".join(lines) + "\n")


def ferplus(root: Path) -> None:
    """Votes for the 30 rows: one empty name, one drifting name, one row that sums to 9."""
    lines = ["Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"]
    for row, usage in enumerate(FER_USAGE):
        name = "" if row == 4 else f"fer{row - (row > 20):07d}.png"
        votes = "0,0,0,0,8,0,2,0,0,0" if row != 7 else "0,9,0,0,0,0,0,0,0,0"
        votes = {1: "3,3,2,2,0,0,0,0,0,0", 4: "0,0,0,0,0,0,0,0,0,10", 9: "0,0,0,0,1,1,0,8,0,0"}.get(row, votes)
        lines.append(f"{usage},{name},{votes}")
    text(root / "fer2013new.csv", "\r\n".join(lines) + "\r\n")


def fer2013_h5(root: Path) -> None:
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "data.h5", "w") as file:
        for usage in ("Training", "PublicTest", "PrivateTest"):
            rows = [row for row in range(30) if FER_USAGE[row] == usage]
            pixels = [fer_pixels(row).ravel().tolist() for row in rows]
            file.create_dataset(f"{usage}_pixel", dtype="uint8", data=pixels)
            file.create_dataset(f"{usage}_label", dtype="int64", data=[FER_LABELS[row] for row in rows])


def fer2013_folders(root: Path) -> None:
    """The image mirror: names tell the official split, test/ holds both test splits."""
    words = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    for row, (label, usage) in enumerate(zip(FER_LABELS, FER_USAGE, strict=True)):
        folder = "train" if usage == "Training" else "test"
        image(root / f"{folder}/{words[label]}/{usage}_{row * 1000 + 17}.jpg", (48, 48), row, "L")


# ---------------------------------------------------------------------------------------------------- CASME II


def casme2(root: Path, kind: str = "Cropped", apex: object = "/") -> None:
    """9 columns with two blank headers, one '/' apex, AU cells as number and text, three forms of file names."""
    rows: list[list[object]] = [
        [
            "Subject",
            "Filename",
            None,
            "OnsetFrame",
            "ApexFrame ",
            "OffsetFrame",
            None,
            "Action Units",
            "Estimated Emotion",
        ],
        [1, "EP01_2", None, 46, 50, 55, None, 4, "disgust"],
        [1, "EP02_01f", None, 9, 12, 15, None, "4+L10", "happiness"],
        [2, "EP09f", None, 1, 4, 8, None, "L1+L2", "surprise"],
        [4, "EP12_01f", None, 261, apex, 269, None, 4, "disgust"],
        [7, "EP06_02_01", None, 77, 80, 85, None, "4+R10", "repression"],
        [7, "EP06_02_02", None, 101, 104, 108, None, "14", "others"],
        [26, "EP03_02", None, 20, 24, 27, None, 15, "sadness"],
    ]
    sheet(root / "CASME2-coding-20140508.xlsx", rows)
    sheet(root / "CASME2-ObjectiveClasses.xlsx", [["Subject", "Filename", "Objective Class"], [1, "EP01_2", 2]])
    prefix = {"Cropped": "reg_", "CASME2_RAW_selected": "", "CASME2-RAW": ""}[kind]
    for serial, (subject, clip, _, onset, _, offset, *_) in enumerate(rows[1:]):
        first, last = (int(onset), int(offset)) if kind != "CASME2-RAW" else (1, int(offset) + 5)  # type: ignore[call-overload]
        for n in range(first, last + 1):
            image(root / f"{kind}/sub{subject:02d}/{clip}/{prefix}img{n}.jpg", (56, 68), 40 * serial + n - first)
    text(root / kind / "sub01/Desktop - Shortcut.lnk", "x")
    text(root / kind / "sub01/EP01_2/Thumbs.db", "x")


CASME2 = {  # sample -> label, onset, apex, offset as positions, where the apex comes from
    "casme2/sub01/EP01_2": ("disgust", 0, 4, 9, "annotated"),
    "casme2/sub01/EP02_01f": ("happiness", 0, 3, 6, "annotated"),
    "casme2/sub02/EP09f": ("surprise", 0, 3, 7, "annotated"),
    "casme2/sub04/EP12_01f": ("disgust", 0, 4, 8, "middle"),
    "casme2/sub07/EP06_02_01": ("repression", 0, 3, 8, "annotated"),
    "casme2/sub07/EP06_02_02": ("others", 0, 3, 7, "annotated"),
    "casme2/sub26/EP03_02": ("sadness", 0, 4, 7, "annotated"),
}


# ---------------------------------------------------------------------------------------------------- SAMM


def samm(root: Path, lines_above: int = 13) -> None:
    """Text above the header, Subject as number, frames of 4 and 5 digits, `Other` and `Others`, 'or' in the AUs."""
    rows: list[list[object]] = [[f"Note {n}: SAMM micro movements, FACS coded."] for n in range(lines_above)]
    rows += [
        ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro",
         "Action Units", "Estimated Emotion", "Objective Classes", "Notes"],
        [6, "006_1_2", 1, 5562, 5566, 5571, 10, "Micro - 1/2", "AU4", "Anger", 2, None],
        [6, "006_1_3", 1, 12000, 12003, 12006, 7, "Micro", "AU12", "Happiness", 1, None],
        [7, "007_3_1", 3, 99, 102, 105, 7, "Micro - 1/2", "R12 or R15", "Other", 7, "unsure"],
        [7, "007_5_4", 5, 730, 734, 737, 8, "Micro", "AU1+AU2", "Surprise", 3, None],
        [13, "013_1_9", 1, 5658, 5680, 5679, 22, "Micro", "AU14", "Contempt", 5, None],
        [28, "028_4_1", 4, 300, 399, 310, 11, "Micro", "AU9", "Disgust", 4, None],
        [32, "032_3_3", 3, 40, 70, 48, 9, "Micro", "AU15", "Others", 6, None],
    ]  # fmt: skip
    sheet(root / "SAMM_Micro_FACS_Codes_v2.xlsx", rows)
    spans = {"006_1_2": (5562, 5571), "006_1_3": (12000, 12006), "007_3_1": (99, 105), "007_5_4": (730, 737),
             "013_1_9": (5658, 5739), "028_4_1": (300, 310), "032_3_3": (40, 48)}  # fmt: skip
    for serial, (clip, (first, last)) in enumerate(spans.items()):
        for n in range(first, last + 1):
            digits = f"{n:04d}" if clip != "006_1_2" else f"{n:05d}"
            image(root / f"SAMM/{clip[:3]}/{clip}/{clip[:3]}_{digits}.jpg", (60, 40), 90 * serial + n - first, "L")


SAMM = {
    "samm/006/006_1_2": ("anger", 0, 4, 9, "annotated"),
    "samm/006/006_1_3": ("happiness", 0, 3, 6, "annotated"),
    "samm/007/007_3_1": ("others", 0, 3, 6, "annotated"),
    "samm/007/007_5_4": ("surprise", 0, 4, 7, "annotated"),
    "samm/013/013_1_9": ("contempt", 0, 22, 81, "annotated"),  # offset 5739 instead of 5679
    "samm/028/028_4_1": ("disgust", 0, 5, 10, "middle"),  # apex outside the clip
}


# ---------------------------------------------------------------------------------------------------- SMIC


def smic_cropped(root: Path) -> None:
    """Release (a): registered bmp crops; an 8-digit frame number; `non_micro` beside `micro`; three cameras."""
    clips = {
        "HS/s1/micro/negative/s1_ne_01": range(559740, 559749), "HS/s1/micro/surprise/s1_sur_01": range(34208, 34214),
        "HS/s3/micro/positive/s3_po_08": [10, 11, 13, 14, 16, 17], "HS/s3/micro/negative/s3_ne_16": range(99, 106),
        "HS/s18/micro/surprise/s18_sur_02": range(32615604, 32615611),
        "VIS/s11/micro/positive/s11_po_01": range(5, 10), "NIR/s11/micro/positive/s11_po_01": range(5, 10),
    }  # fmt: skip
    for serial, (folder, numbers) in enumerate(clips.items()):
        for at, n in enumerate(numbers):
            blank = " " if folder.startswith("NIR") else ""
            image(root / f"SMIC_all_cropped/{folder}/reg_image{blank}{n}.bmp", (34, 28), 30 * serial + at)
    (root / "SMIC_all_cropped/HS/s18/micro/surprise/s18_sur_03").mkdir(parents=True)
    for n in range(3):
        image(root / f"SMIC_all_cropped/HS/s1/non_micro/s1_n1/reg_image{n}.bmp", (34, 28), 900 + n)
    text(root / "SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/.DS_Store", "x")


SMIC = {
    "smic/s1/s1_ne_01": ("negative", 0, 4, 8, "middle"), "smic/s1/s1_sur_01": ("surprise", 0, 2, 5, "middle"),
    "smic/s3/s3_ne_16": ("negative", 0, 3, 6, "middle"), "smic/s3/s3_po_08": ("positive", 0, 2, 5, "middle"),
    "smic/s18/s18_sur_02": ("surprise", 0, 3, 6, "middle"),
}  # fmt: skip


def smic_raw(root: Path) -> None:
    """Release (b): the same nesting, `image%06d.bmp`."""
    for serial, clip in enumerate(["s1/micro/negative/s1_ne_01", "s2/micro/positive/s2_po_03"]):
        for n in range(7):
            image(root / f"SMIC_all_raw/HS/{clip}/image{559740 + n:06d}.bmp", (64, 48), 40 * serial + n)


def smic_extended(root: Path) -> None:
    """Release (c): long clips, `s01` folders, an annotation with two expressions in one clip, text at its end."""
    blank = [None] * 2
    rows: list[list[object]] = [
        ["Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F", None, "FirstF",
         "LastF",
         "TotalMF1", "TotalMF2", "TotalMF3", "TotalVL", "Emotion"],
        [1, "s1_ne_01", None, 559740, 559744, None, None, None, None, None, 559730, 559752, 5, None, None, 23,
         "negative", *blank],
        [1, "s1_sur_02", None, 1005, 1009, 1014, 1018, None, None, None, 1000, 1022, 5, 5, None, 23, None, *blank],
        [20, "s20_po_01", None, 7, 12, None, None, None, None, None, 1, 15, 6, None, None, 15, "positive", *blank],
        [None, "Note: frames are counted from the start of the recording"],
        ["MF = micro frames"],
    ]  # fmt: skip
    sheet(root / "SMIC-E_raw image/HS_long/SMIC-HS-E_annotation.xlsx", rows)
    base = root / "SMIC-E_raw image/HS_long/SMIC-HS-E"
    for serial, (clip, first, last) in enumerate(
        [("s01/s1_ne_01", 559730, 559752), ("s01/s1_sur_02", 1000, 1022), ("s20/s20_po_01", 101, 115)]
    ):
        for n in range(first, last + 1):
            image(base / f"{clip}/image{n:06d}.jpg", (64, 48), 40 * serial + n - first)


# ---------------------------------------------------------------------------------------------------- MEGC2019


def megc_csv(path: Path) -> None:
    """No header, CRLF, no newline at the end, both spellings of subjects, one row whose folder is absent."""
    rows = ["casme2,sub01,EP01_2,0", "casme2,sub01,EP02_01f,1", "casme2,sub02,EP09f,2", "casme2,sub07,EP06_02_01,0",
            "casme2,sub17,EP15_01,0",
            "samm,6,006_1_2,0", "samm,006,006_1_3,1", "samm,7,007_5_4,2", "samm,013,013_1_9,0",
            "samm,28,028_4_1,0", "smic,s01,s01_ne_01,0", "smic,s1,s1_sur_01,2", "smic,s03,s03_po_08,1", 
            "smic,s3,s3_ne_16,0",
            "smic,s18,s18_sur_02,2"]  # fmt: skip
    text(path, "\r\n".join(rows))
