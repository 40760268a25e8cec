"""What ails a patient, beside nodules: each finding is drawn by chance or set by a switch.

A switch is the name of a finding; ``no-`` before it takes the finding away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Findings:
    """True where the patient has it.

    Attributes:
        emphysema: holes in the lung, more of them at the top.
        effusion: fluid behind one lung.
        atelectasis: a collapsed band at the base of a lung.
        consolidation: airless lung at the pleura.
        fibrosis: reticulation below the pleura, more of it at the bases.
        mass: a tumour at a hilum.
        calcified_nodes: lime in lymph nodes.
        calcified_arteries: lime in the aortic wall and the coronaries.
        device: a pacemaker's leads.
        arms_down: arms beside the chest.
    """

    emphysema: bool = False
    effusion: bool = False
    atelectasis: bool = False
    consolidation: bool = False
    fibrosis: bool = False
    mass: bool = False
    calcified_nodes: bool = False
    calcified_arteries: bool = False
    device: bool = False
    arms_down: bool = False


CHANCES = {
    "emphysema": 0.2,
    "effusion": 0.2,
    "atelectasis": 0.25,
    "consolidation": 0.3,
    "fibrosis": 0.1,
    "mass": 0.25,
    "calcified_nodes": 0.15,
    "calcified_arteries": 0.35,
    "device": 0.04,
    "arms_down": 0.06,
}
SWITCHES = tuple(field.name.replace("_", "-") for field in fields(Findings))


def draw_findings(rng: np.random.Generator, switches: Iterable[str] = ()) -> Findings:
    """The findings of one patient.

    Args:
        rng: decides what no switch decides.
        switches: names of :data:`SWITCHES`, with ``no-`` before those to take away.

    Raises:
        ValueError: if a switch is unknown.
    """
    drawn = {name: bool(rng.random() < chance) for name, chance in CHANCES.items()}
    for switch in switches:
        name = switch.removeprefix("no-")
        if name not in SWITCHES:
            raise ValueError(f"there is no finding {name!r}; choose from {', '.join(SWITCHES)}, or no- before one")
        drawn[name.replace("-", "_")] = not switch.startswith("no-")
    return Findings(**drawn)
