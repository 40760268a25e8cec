"""The cases of a store that a run trains on and validates on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.store import HELD_OUT, META, Case, StoreError, case_folders, read_case, split_of


class TooFewCases(StoreError):
    """A store that has nothing to train on, or nothing to validate on, yet."""


class Cases:
    """The usable cases of a store that may still be growing. Every case is proved whole once.

    Args:
        root: the store.
        needs: arrays that a case must have.
    """

    def __init__(self, root: Path, needs: Sequence[str]) -> None:
        self.root, self.needs = root, needs
        self._known: dict[str, Case] = {}
        self._seen: dict[str, int] = {}
        self.refresh()
        for split in ("train", "validation"):
            if not getattr(self, split):
                raise TooFewCases(f"{root} has no {split} case with {', '.join(self.needs)}; prepare more cases")

    def refresh(self) -> None:
        """Take in cases that were finished or completed (by their Syn-CECT) since the last look."""
        for folder in case_folders(self.root):
            written = (folder / META).stat().st_mtime_ns
            if self._seen.get(folder.name) != written:
                self._seen[folder.name] = written
                case = read_case(folder)
                _refuse_held_out(case)
                if all(name in case for name in self.needs):
                    self._known[folder.name] = case
        ordered = [self._known[name] for name in sorted(self._known)]
        self.train = [case for case in ordered if split_of(case.name) == "train"]
        self.validation = [case for case in ordered if split_of(case.name) == "validation"]

    def keep(self, names: list[str]) -> None:
        """Leave out every case but these, so that all processes of a run draw from the same list."""
        self.train, self.validation = (
            [case for case in side if case.name in names] for side in (self.train, self.validation)
        )

    @property
    def names(self) -> list[str]:
        return sorted(case.name for case in [*self.train, *self.validation])

    @property
    def drawn_by(self) -> list[str]:
        """The versions of the phantom's source that drew the cases."""
        return sorted({str(case.meta.get("drawn_by", "unknown")) for case in [*self.train, *self.validation]})


def _refuse_held_out(case: Case) -> None:
    if int(case.meta.get("seed", 0)) >= HELD_OUT:
        raise StoreError(f"{case.folder} is reserved for evaluation; take it out of the training store")
