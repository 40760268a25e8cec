"""A blinded reader study: one HTML page for the readers, a key that stays behind, and the scores of their answers."""

from training.reader_study.preparation import ImageSet, Prepared, prepare
from training.reader_study.protocol import StudyError
from training.reader_study.scoring import ReaderAccuracy, ReaderPair, Scores, score

__all__ = ["ImageSet", "Prepared", "ReaderAccuracy", "ReaderPair", "Scores", "StudyError", "prepare", "score"]
