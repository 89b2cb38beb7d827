"""More small copies in their real layouts, typed by hand: the macro datasets, CASME, CAS(ME)^2."""

from pathlib import Path

import numpy as np

from tests.datasets.trees import image, sheet, text

# ---------------------------------------------------------------------------------------------------- CK48


def ck48(root: Path, top: str = "CK+48") -> None:
    """7 class folders, 3 images per sequence, one subject in two classes."""
    sequences = {
        "anger": "S010_004", "contempt": "S138_008", "disgust": "S005_001", "fear": "S011_003", "happy": "S010_006",
        "sadness": "S014_002", "surprise": "S011_001",
    }  # fmt: skip
    for serial, (word, name) in enumerate(sequences.items()):
        for n in range(15, 18):
            image(root / f"{top}/{word}/{name}_{n:08d}.png", (48, 48), 10 * serial + n, "L")


def ck48_h5(root: Path) -> None:
    """The HDF5: contempt last, no subjects."""
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    labels = [code for code in range(7) for _ in range(6)]
    pixels = [((np.arange(2304) * (row + 3)) % 256).astype(np.uint8).reshape(48, 48) for row in range(42)]
    with h5py.File(root / "CK_data.h5", "w") as file:
        file.create_dataset("data_pixel", data=np.stack(pixels))
        file.create_dataset("data_label", data=np.array(labels, np.int64))


# ---------------------------------------------------------------------------------------------------- MUG


def mug(root: Path) -> None:
    """One flat subject, one with sessions, one with a doubled folder; gaps in the takes; neutral for two of three."""
    takes = {
        "001/anger/take000": 9, "001/anger/take002": 7, "001/happiness/take000": 11, "001/neutral/take000": 5,
        "002/session0/happiness/take001": 8, "002/session1/sadness/take000": 6, "002/session1/neutral/take003": 5,
        "004/004/anger/take000": 10, "004/004/surprise/take001": 12, "004/004/mixed/take000": 4,
    }  # fmt: skip
    for serial, (folder, count) in enumerate(takes.items()):
        for n in range(count):
            image(root / f"subjects3/{folder}/img_{n:04d}.jpg", (48, 48), 20 * serial + n)
    (root / "subjects3/004/004/fear/take000").mkdir(parents=True)
    image(root / "manual/images/001_an_001_0118.jpg", (48, 48), 999)


MUG = {  # sample -> label, frames, apex
    "mug/001/anger_take000": ("anger", 9, 4), "mug/001/anger_take002": ("anger", 7, 3),
    "mug/001/happiness_take000": ("happiness", 11, 5), "mug/001/neutral_take000": ("neutral", 5, 2),
    "mug/002/session0_happiness_take001": ("happiness", 8, 3), "mug/002/session1_sadness_take000": ("sadness", 6, 2),
    "mug/002/session1_neutral_take003": ("neutral", 5, 2),
    "mug/004/anger_take000": ("anger", 10, 4), "mug/004/surprise_take001": ("surprise", 12, 5),
}  # fmt: skip

# ---------------------------------------------------------------------------------------------------- ISED


def video(path: Path, frames: int, value: int = 0) -> None:
    """A motion-JPEG video whose frame n is a grey of 20 n + value."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    assert writer.isOpened()
    for n in range(frames):
        frame = np.full((48, 64, 3), (20 * n + value) % 256, np.uint8)
        frame[:8, : 4 + 5 * (n % 12)] = 255
        writer.write(frame)
    writer.release()


# participant number, id, video, peak (from 1), paths, label, intensity, sex, ..., boxes
ISED_ROWS: list[list[object]] = [
    [1, "P07", 4, 7, "videos\\PS 1\\4.avi", "peakImages\\1_4_7.jpg", 1, 3, "m", "n", "n", "n", "10 12 30 32"],
    [1, "P07", 5, 10, "videos\\PS 1\\5.avi", "peakImages\\1_5_10.jpg", 2, 2, "m", "n", "n", "n", "10 12 30 32"],
    [5, "P11", 3, 4, "videos\\PS 5\\3.avi", "peakImages\\5_3_4.jpg", 3, 2, "f", "y", "n", "n", "8 9 33 31"],
    [26, "P02", 7, 12, "videos\\PS 26\\7.avi", "peakImages\\26_7_12.jpg", 4, 1, "f", "n", "n", "n", "8 9 33 31"],
]
for _row in ISED_ROWS:
    _row += ["", "", ""]


def ised(root: Path, table: str = "csv") -> None:
    """Videos of 10 frames, peak images, the 16 columns; the last peak lies outside its video."""
    for row in ISED_ROWS:
        video(root / f"videos/PS {row[0]}/{row[2]}.avi", 10, 3 * int(row[2]))
        image(root / f"peakImages/{row[0]}_{row[2]}_{row[3]}.jpg", (64, 48), int(row[2]))
    if table == "csv":
        text(root / "ised_details.csv", "\n".join(",".join(str(cell) for cell in row) for row in ISED_ROWS) + "\n")
    else:
        from scipy.io import savemat

        cells = np.empty((len(ISED_ROWS), 16), object)
        for i, row in enumerate(ISED_ROWS):
            for j, cell in enumerate(row):
                cells[i, j] = cell if not (isinstance(cell, str) and cell[:2] == "10") else np.array([10, 12, 30, 32])
        savemat(root / "ISED_details.mat", {"details": cells})


# ---------------------------------------------------------------------------------------------------- DISFA

DISFA_UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)


def disfa(root: Path, form: str = "video") -> None:
    """3 subjects, 40 coded frames, one frame less in the video; a smile in all, a surprise in one."""
    for subject in ("SN001", "SN002", "SN032"):
        coded = {unit: [0] * 40 for unit in DISFA_UNITS}
        for frame, strength in zip(range(11, 18), (1, 2, 3, 4, 3, 2, 1), strict=True):  # frames 12 to 16 are AU12 >= 2
            coded[12][frame - 1] = coded[6][frame - 1] = strength
        if subject == "SN002":
            for frame in range(25, 30):
                coded[1][frame - 1], coded[2][frame - 1], coded[25][frame - 1] = 3, 2, frame - 24
        for unit in DISFA_UNITS:
            lines = "".join(f"{n},{value}\n" for n, value in enumerate(coded[unit], start=1))
            text(root / f"ActionUnit_Labels/{subject}/{subject}_au{unit}.txt", lines)
        if form == "video":
            video(root / f"Videos_LeftCamera/LeftVideo{subject}_comp.avi", 39)
            video(root / f"Video_RightCamera/RightVideo{subject}_Comp.avi", 39)
        else:
            start = 0 if form == "from 0" else 1
            for n in range(start, start + 39):
                name = f"{n}.png" if form == "from 0" else f"{subject}_{n:05d}.jpg"
                image(root / f"frames/{subject}/{name}", (48, 48), n)
    text(
        root / "labels.csv", "subject,frame,emotion\nSN001,14,Happy\nSN001,15,Happy\nSN002,27,surprise\n1,38,neutral\n"
    )


# ---------------------------------------------------------------------------------------------------- Oulu-CASIA


def oulu(root: Path, top: str = "OriginalImg/VL") -> None:
    """Strong for two subjects and Weak for one; near infra-red; an empty sequence; 9 to 15 frames."""
    sequences = {
        "Strong/P001/Anger": 9, "Strong/P001/Happiness": 12, "Strong/P001/Surprise": 15, "Strong/P002/Disgust": 10,
        "Strong/P002/Fear": 9, "Strong/P002/Sadness": 11, "Weak/P001/Anger": 9,
    }  # fmt: skip
    for serial, (folder, count) in enumerate(sequences.items()):
        for n in range(count):
            image(root / f"{top}/{folder}/{n:03d}.jpeg", (60, 48), 20 * serial + n)
    (root / f"{top}/Strong/P002/Anger").mkdir(parents=True)


# ---------------------------------------------------------------------------------------------------- RAF-DB


def rafdb(root: Path, images: str = "aligned") -> None:
    """7 training and 7 test lines, aligned images of 100x100, one attribute file with tabs and blanks."""
    lines = [f"train_{n:05d}.jpg {n}" for n in range(1, 8)] + [f"test_{n:04d}.jpg {8 - n}" for n in range(1, 8)]
    text(root / "basic/EmoLabel/list_patition_label.txt", "\n".join(lines) + "\n")
    for serial, line in enumerate(lines):
        stem = line.split(".")[0]
        if images == "aligned":
            image(root / f"basic/Image/aligned/{stem}_aligned.jpg", (100, 100), serial)
        else:
            image(root / f"basic/Image/original/{stem}.jpg", (120 + serial, 110), serial)
    text(root / "basic/Annotation/manual/train_00001_manu_attri.txt",
         "70.5\t40\n30 41.5\n50\t60\n35 80\n66 79.5\n1\n2\n3\n")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- JAFFE


def jaffe(root: Path) -> None:
    """3 subjects x 7 expressions as grey TIFF, gaps in takes and serials, a README among them."""
    serial = 37
    for subject in ("KA", "KM", "YM"):
        for code, take in zip(("AN", "DI", "FE", "HA", "NE", "SA", "SU"), (1, 3, 1, 2, 1, 5, 1), strict=True):
            serial += 2
            image(root / f"jaffe/{subject}.{code}{take}.{serial}.tiff", (64, 64), serial, "L")
    text(root / "jaffe/README", "ratings")


# ---------------------------------------------------------------------------------------------------- CASME


def casme(root: Path) -> None:
    """Blank headers at columns 3 and 8, unpadded and padded frame names, a row with apex before onset, two trees."""
    rows: list[list[object]] = [
        ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AU", "Emotion"],
        [1, "EP01_5", None, 126, 130, 132, 137, None, 4, "Disgust"],
        [1, "EP03_1", None, 5, 8, None, 12, None, "4+7", "tense "],
        [2, "EP06_3", None, 40, 38, None, 48, None, 12, "happiness"],
        [7, "EP02_2f", None, 98, 101, None, 107, None, "1+2", "surprise"],
    ]
    sheet(root / "casme.xlsx", rows)
    for serial, (subject, clip, _, onset, _, _, offset, *_) in enumerate(rows[1:]):
        for n in range(int(onset) - 3, int(offset) + 4):  # type: ignore[call-overload]
            number = f"{n:03d}" if clip == "EP02_2f" else str(n)
            base = f"sub{subject:02d}/{clip}"
            image(root / f"CASME_raw_selected/{base}/{clip}-{number}.jpg", (64, 48), 30 * serial + n)
            image(root / f"Cropped/{base}/reg_{clip}-{number}.jpg", (32, 40), 30 * serial + n)


# ---------------------------------------------------------------------------------------------------- CAS(ME)^2


def casme_sq(root: Path) -> None:
    """3 sheets without headers, codes as number and as text, an offset of 0, macro and micro, `.jpg.jpg`."""
    rows: list[list[object]] = [
        [1, "anger1_1", 557, 562, 570, "4+7", "negative", "macro-expression", "anger"],
        [1, "happy4_1", 2970, 2974, 2980, "12", "Positive ", "macro-expression", "happiness"],
        [2, "disgust1_2", 101, 104, 0, "9", "negative", "micro-expression", "disgust"],
        [2, "anger2_3", 40, 44, 48, "4", "others", "micro-expression", "helpless"],
        [2, "anger2_3", 60, 63, 66, "4", "surprise", "micro-expression", "fear"],
    ]
    people: list[list[object]] = [[15, "s15", 1], [16, "s16", 2]]
    codes: list[list[object]] = [[401, "anger1"], ["0402", "anger2"], [101, "disgust1"], [507, "happy4"]]
    sheet(root / "CAS(ME)^2code_final.xlsx", rows, people, codes)
    spans = {("15", "anger1_1"): (557, 570), ("15", "happy4_1"): (2970, 2980), ("16", "disgust1_2"): (101, 107),
             ("16", "anger2_3"): (40, 66)}  # fmt: skip
    for serial, ((subject, clip), (first, last)) in enumerate(spans.items()):
        for n in range(first, last + 1):
            path = root / f"selectedpic/s{subject}/{clip}/img{n}.jpg"
            image(path, (64, 48), 40 * serial + n - first)
            if (clip, n) == ("happy4_1", 2977):
                path.rename(path.with_name("img2977.jpg.jpg"))
            if clip != "disgust1_2":  # one folder of crops is missing
                image(root / f"cropped/{subject}/{clip}/img{n}.jpg", (32, 40), 40 * serial + n - first)


CASME_SQ = {
    "casme_sq/s15/anger1_1": ("negative", 0, 5, 13, "annotated"),
    "casme_sq/s15/happy4_1": ("positive", 0, 4, 10, "annotated"),
    "casme_sq/s16/anger2_3": ("others", 0, 4, 8, "annotated"),
    "casme_sq/s16/anger2_3@60": ("surprise", 20, 23, 26, "annotated"),
    "casme_sq/s16/disgust1_2": ("negative", 0, 3, 6, "annotated"),
}
