"""One run of the app: settings, selection, models, graph, manifest, exit code."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from app.logs import Redactor, identifiers, set_up
from app.manifest import NOTHING_SUITABLE, USAGE, Manifest, exit_code
from app.process import load_cuda_runtime, quiet_holoscan
from app.progress import Reporter
from app.settings import Settings, SettingsError, load_settings
from operators.record import RunRecord
from pulmomap.case import SelectedSeries
from pulmomap.dicom.index import FolderIndex, index_folder
from pulmomap.dicom.nodules import GivenNodule
from pulmomap.dicom.selection import Selection, select
from pulmomap.inference.bundle import BundleError
from pulmomap.staging import FolderInUse, Staging

log = logging.getLogger("pulmomap.run")


def run(arguments: argparse.Namespace) -> int:
    """Process a folder and return the exit code. Wrong usage is one line on standard error and code 2."""
    try:
        settings = load_settings(arguments.config and Path(arguments.config))
        nodules = (*settings.nodules, *_nodules_of(arguments))
        _check_folders(arguments)
        redactor = set_up(arguments.log_level or settings.logging.level)
        with Staging(arguments.output) as staging:
            return _run(arguments, settings, nodules, staging, redactor)
    except (SettingsError, FolderInUse) as error:
        return _usage(str(error))
    except OSError as error:
        return _usage(f"{error.filename or arguments.output}: {error.strerror or error}")


def _usage(sentence: str) -> int:
    print(f"pulmomap: {sentence}", file=sys.stderr)
    return USAGE


def _nodules_of(arguments: argparse.Namespace) -> list[GivenNodule]:
    return [
        GivenNodule(centre_lps=(x, y, z), diameter_mm=rest[0] if rest else None) for x, y, z, *rest in arguments.nodule
    ]


def _check_folders(arguments: argparse.Namespace) -> None:
    for name, path in (("input", arguments.input), ("models", Path(arguments.models))):
        if not path.is_dir():
            raise SettingsError(f"--{name} {path} is not a folder")
    source, output = arguments.input.resolve(), arguments.output.resolve()
    if output == source or source in output.parents:
        raise SettingsError(f"--output {output} lies inside --input: results would be read as input next time")


def _run(
    arguments: argparse.Namespace,
    settings: Settings,
    nodules: Sequence[GivenNodule],
    staging: Staging,
    redactor: Redactor,
) -> int:
    manifest = Manifest(arguments.output)
    manifest.write("running", [], None)
    index = index_folder(arguments.input)
    redactor.hide(_identifiers(index))
    selection = select(index, settings.selection)
    log.info("%d series to process, %d not suitable", len(selection.selected), len(selection.rejected))
    with Reporter([series.key for series in selection.selected]) as reporter:
        record = _record_of(selection, reporter)
        manifest.write("running", record.series(), None)
        if selection.selected:
            try:
                _process(arguments, settings, selection.selected, nodules, record, staging)
            except BundleError as error:
                record.interrupt("BundleError", str(error))
                manifest.write("finished", record.series(), USAGE)
                return _usage(str(error))
    code = exit_code(record.series())
    unreadable = [{"path": str(file.path), "reason": file.reason} for file in selection.unreadable]
    manifest.write("finished", record.series(), code, unreadable=unreadable)
    if code == NOTHING_SUITABLE:
        reasons = sorted({series.code for series in record.series()}) or ["no DICOM series"]
        log.warning("nothing suitable in the input: %s; manifest.json has the sentences", ", ".join(reasons))
    return code


def _identifiers(index: FolderIndex) -> set[str]:
    return identifiers(series.instances[0].header for series in index.series if series.instances)


def _record_of(selection: Selection, reporter: Reporter) -> RunRecord:
    record = RunRecord(reporter)
    for series in selection.selected:
        record.add(series.key, series.series_uid, series.study_uid)
    for rejected in selection.rejected:
        record.add_rejected(rejected.series_uid, rejected.study_uid, rejected.code.name, rejected.detail)
    return record


def _process(
    arguments: argparse.Namespace,
    settings: Settings,
    selected: Sequence[SelectedSeries],
    nodules: Sequence[GivenNodule],
    record: RunRecord,
    staging: Staging,
) -> None:
    """Run the graph. Whatever happens to it, the record ends up true."""
    quiet_holoscan()
    load_cuda_runtime()
    from monai.deploy.core import AppContext

    from app.application import Models, PulmoMapApp
    from pulmomap.inference.segmentation import open_vessel_model
    from pulmomap.inference.synthesis import open_contrast_model

    run, folder = settings.runtime, Path(arguments.models)
    models = Models(
        open_contrast_model(folder / "contrast_synthesis", settings.synthesis, run.device, run.precision, run.threads),
        open_vessel_model(
            folder / "vessel_segmentation", settings.segmentation, run.device, run.precision, run.threads
        ),
    )
    context = AppContext(
        {"input": str(arguments.input), "output": str(arguments.output), "model": str(arguments.models)}
    )
    try:
        PulmoMapApp(context, settings, selected, nodules, models, record, staging).run()
    except Exception as error:
        log.exception("the graph ended early")
        record.interrupt(type(error).__name__, "the run ended before this series was done; run it again")
    else:
        record.interrupt("GraphEnded", "the run ended before this series was done; run it again")
