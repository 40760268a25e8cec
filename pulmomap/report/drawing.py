"""From sampled planes to pixels: windows, vessel overlays, rings, letters, scale bars.

Everything is drawn at twice the final size and reduced, which smooths outlines and text alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from pulmomap.report.palette import TEXT, Colour
from pulmomap.report.planes import FloatArray, Plane, Vector

_OVERSAMPLING = 2
_FILL = 0.5
_BLACK: Colour = (0, 0, 0)
_DESIGN_PX = 480
"""Width for which text sizes are made; narrower pictures get smaller text, down to a legible limit."""


@dataclass(frozen=True)
class Window:
    """A display window (DICOM PS3.3 C.11.2.1.2): centre and width in HU."""

    name: str
    centre: float
    width: float

    def apply(self, hu: FloatArray) -> FloatArray:
        """Grey values 0 to 255, float32."""
        grey: FloatArray = np.clip((hu - self.centre) / self.width + 0.5, 0, 1) * np.float32(255)
        return grey

    @property
    def title(self) -> str:
        return f"{self.name} (W {self.width:g} L {self.centre:g})"


MEDIASTINAL = Window("mediastinal", 40, 350)
LUNG = Window("lung", -600, 1500)


class Canvas:
    """A picture under construction.

    Args:
        plane: where it lies in the patient.
        pixels: in the plane's shape, float32 grey 0 to 255; or with a third axis, uint8 RGB.
        width: of the final picture, pixels; the height follows from the plane.
    """

    def __init__(self, plane: Plane, pixels: FloatArray | npt.NDArray[np.uint8], width: int) -> None:
        self.plane = plane
        rows, columns = plane.shape
        self._size = width * _OVERSAMPLING, round(width * rows / columns) * _OVERSAMPLING
        self._pixels_a_mm = self._size[0] / (columns * plane.step)
        self._text_scale = max(0.7, min(1.0, width / _DESIGN_PX))
        if pixels.ndim == 3:
            self._image = Image.fromarray(pixels).resize(self._size, Image.Resampling.BICUBIC)
        else:
            self._image = Image.fromarray(self._enlarge(pixels).round().astype(np.uint8)).convert("RGB")

    def overlay(self, share: FloatArray, colour: Colour) -> None:
        """A translucent fill with a crisp outline where ``share`` (rows, columns of the plane) exceeds one half."""
        inside = Image.fromarray(((self._enlarge(255 * share) >= 127.5) * 255).astype(np.uint8))
        if inside.getbbox() is None:
            return
        core = inside.filter(ImageFilter.MinFilter(3))
        alpha = np.where(np.asarray(core) > 0, _FILL, 1.0) * np.asarray(inside)
        self._image.paste(Image.new("RGB", self._size, colour), mask=Image.fromarray(alpha.round().astype(np.uint8)))

    def ring(self, point: Vector, diameter: float, colour: Colour, dashed: bool = False) -> None:
        """A circle of ``diameter`` mm around a point (LPS)."""
        x, y = self._place(point)
        radius = diameter / 2 * self._pixels_a_mm
        box = (x - radius, y - radius, x + radius, y + radius)
        draw = ImageDraw.Draw(self._image)
        if not dashed:
            draw.ellipse(box, outline=colour, width=3)
            return
        for start in range(0, 360, 10):
            draw.arc(box, start, start + 5, fill=colour, width=2)

    def crosshair(self, point: Vector, colour: Colour) -> None:
        """Four ticks that leave the point itself free: for a nodule of unknown size."""
        x, y = self._place(point)
        draw = ImageDraw.Draw(self._image)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            draw.line((x + 10 * dx, y + 10 * dy, x + 26 * dx, y + 26 * dy), fill=colour, width=4)

    def frame(self, other: Plane, colour: Colour) -> None:
        """The outline of a closer picture on the same plane, visible on black and on white."""
        x, y = self._place(other.centre)
        half = [size * other.step / 2 * self._pixels_a_mm for size in other.shape]
        box = (x - half[1], y - half[0], x + half[1], y + half[0])
        draw = ImageDraw.Draw(self._image)
        draw.rectangle(box, outline=_BLACK, width=6)
        draw.rectangle([box[0] + 2, box[1] + 2, box[2] - 2, box[3] - 2], outline=colour, width=2)

    def letters(self) -> None:
        """The patient's sides at the four edges."""
        width, height = self._size
        places: dict[str, tuple[float, float, str]] = {
            "left": (10, height / 2, "lm"),
            "right": (width - 10, height / 2, "rm"),
            "top": (width / 2, 8, "ma"),
            "bottom": (width / 2, height - 8, "md"),
        }
        for edge, text in self.plane.edges().items():
            x, y, anchor = places[edge]
            self._write(text, (x, y), anchor, 40)

    def scale_bar(self, length: float) -> None:
        """A bar of ``length`` mm at the lower right."""
        width, height = self._size
        reach = length * self._pixels_a_mm
        x, y = width - 20, height - 20
        draw = ImageDraw.Draw(self._image)
        draw.line((x - reach - 2, y, x + 2, y), fill=_BLACK, width=9)
        draw.line((x - reach, y, x, y), fill=TEXT, width=5)
        self._write(f"{length:g} mm", (x, y - 8), "rd", 29)

    def heading(self, text: str) -> None:
        """What the picture shows, at the upper left."""
        self._write(text, (14, 10), "la", 31)

    def warning(self, text: str, colour: Colour) -> None:
        """A line burnt into the lower left of the picture, so that it travels with any copy."""
        self._write(text, (14, self._size[1] - 12), "ld", 29, colour)

    def finish(self) -> Image.Image:
        """The picture at its final size."""
        return self._image.reduce(_OVERSAMPLING)

    def _place(self, point: Vector) -> tuple[float, float]:
        across, down = self.plane.locate(point)
        return across * self._size[0], down * self._size[1]

    def _enlarge(self, values: npt.NDArray[np.generic]) -> FloatArray:
        image = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
        return np.clip(np.asarray(image.resize(self._size, Image.Resampling.BICUBIC)), 0, 255)

    def _write(self, text: str, place: tuple[float, float], anchor: str, size: float, colour: Colour = TEXT) -> None:
        font = ImageFont.load_default(size * self._text_scale)
        ImageDraw.Draw(self._image).text(
            place, text, fill=colour, font=font, anchor=anchor, stroke_width=2, stroke_fill=_BLACK
        )
