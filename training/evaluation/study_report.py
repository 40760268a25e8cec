"""A scored reader study in words, and in the layout of the Enhance-GAN paper's table 4."""

from __future__ import annotations

from training.evaluation.table import p_text
from training.reader_study import Scores


def table_of(scores: Scores) -> dict[str, str]:
    """The rows of table 4, by the names of :data:`training.evaluation.paper.READERS`."""
    rows = {arm: summary.text(0) for arm, summary in scores.arms.items()}
    test = scores.separability
    rows["Friedman χ², p"] = f"{test.chi2:.2f}, {p_text(test.p)}"
    for pair in test.post_hoc:
        if {pair.first, pair.second} == {"NCCT", "Syn-CECT"}:
            rows["NCCT against Syn-CECT: W, p"] = f"{pair.test.w:.1f}, {p_text(pair.p_bonferroni)}"
    return rows


def report(scores: Scores) -> str:
    """Markdown: separability, agreement, and who took what for real."""
    test = scores.separability
    lines = [
        "# Reader study",
        "",
        f"{len(scores.readers)} readers ({', '.join(scores.readers)}), {test.n} cases. Separability of arteries and "
        "veins, 1 to 5; of several readers the median of a set counts.",
        "",
        "| arm | median [quartiles] |",
        "|---|---|",
        *(f"| {arm} | {summary.text(1)} |" for arm, summary in scores.arms.items()),
        "",
        f"Friedman: χ² = {test.chi2:.2f}, {test.dof} degrees of freedom, p {_equals(test.p)}.",
        "",
        "| pair | W | Z | p (Bonferroni) | rank-biserial |",
        "|---|---|---|---|---|",
        *(
            f"| {pair.first} against {pair.second} | {pair.test.w:.1f} | {pair.test.z:.2f} | "
            f"{p_text(pair.p_bonferroni)} | {pair.test.rank_biserial:.2f} |"
            for pair in test.post_hoc
        ),
    ]
    if scores.pairs:
        lines += ["", "| readers | weighted kappa (quadratic) | 95 % interval |", "|---|---|---|"]
        for pair in scores.pairs:
            low, high = pair.kappa.interval
            lines.append(f"| {pair.first}, {pair.second} | {pair.kappa.value:.2f} | {low:.2f} to {high:.2f} |")
    if scores.origin:
        lines += [
            "",
            "Real or synthetic (synthetic is positive; half of the answers are right by chance):",
            "",
            "| reader | sensitivity | specificity | accuracy | 95 % interval |",
            "|---|---|---|---|---|",
        ]
        for row in scores.origin:
            low, high = row.interval
            lines.append(
                f"| {row.reader} | {row.sensitivity:.2f} | {row.specificity:.2f} | {row.accuracy:.2f} | "
                f"{low:.2f} to {high:.2f} |"
            )
    if scores.origin_agreement is not None:
        lines += [
            "",
            f"Fleiss' kappa of {scores.origin_agreement.raters} readers: {scores.origin_agreement.value:.2f}.",
        ]
    if scores.origin:
        lines += [
            "",
            "The CycleGAN paper prints sensitivity .80, .92, .82, specificity .62, .13, .23, mean accuracy 58.7 % and "
            "kappa .06 of three readers.",
        ]
    return "\n".join(lines) + "\n"


def _equals(p: float) -> str:
    return p_text(p) if p < 0.001 else f"= {p_text(p)}"
