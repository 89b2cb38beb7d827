"""Emotion words: what circulates in folder names and coding files, and the one canonical spelling of each."""

from collections.abc import Iterable

from fernas.core.errors import DataError, did_you_mean

BASIC = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
SPELLINGS: dict[str, str] = {
    "angry": "anger", "an": "anger", "ang": "anger",
    "contemptuous": "contempt", "co": "contempt",
    "disgusted": "disgust", "disgusting": "disgust", "di": "disgust", "dis": "disgust",
    "afraid": "fear", "fearful": "fear", "fe": "fear", "scared": "fear",
    "happy": "happiness", "ha": "happiness", "hap": "happiness", "joy": "happiness", "smile": "happiness",
    "sad": "sadness", "sa": "sadness",
    "surprised": "surprise", "su": "surprise", "sur": "surprise",
    "natural": "neutral", "neutrality": "neutral", "ne": "neutral", "neu": "neutral", "normal": "neutral",
    "repressed": "repression", "tension": "tense", "other": "others",
}  # fmt: skip


def canonical(raw: object, classes: Iterable[str], where: str) -> str:
    """The canonical class of a raw word, compared without case, blanks and known spelling variants.

    Raises:
        DataError: the word is none of `classes`; `where` names file and row.
    """
    known = tuple(classes)
    word = str(raw).strip().strip("'\"").lower().replace(" ", "_")
    # a class of the dataset goes first, so that no spelling variant renames it
    word = word if word in known else SPELLINGS.get(word, word)
    if word not in known:
        near = did_you_mean(word, [*known, *(s for s, c in SPELLINGS.items() if c in known)])
        raise DataError(f"{where}: unknown label {raw!r}{near}, expected one of {', '.join(known)}")
    return word


def is_word(raw: str, classes: Iterable[str]) -> bool:
    """Whether a folder name is a spelling of one of `classes`."""
    word = raw.strip().lower()
    return word in (known := set(classes)) or SPELLINGS.get(word, word) in known
