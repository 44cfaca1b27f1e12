"""The marks that image generators leave in files: one table of fields and their content.

None of them is signed. Anybody can write, copy or remove them. A mark is the shape of what a
generator writes (its settings, its graph, its job's number), in the field where it writes it. Words
alone are none, because captions hold words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

ALPHA = "alpha channel"
GIF_COMMENT = "GIF comment"

XMP_FIELDS = {
    "XMP comfy:prompt": "https://github.com/Comfy-Org/ComfyUI prompt",
    "XMP comfy:workflow": "https://github.com/Comfy-Org/ComfyUI workflow",
    "XMP exif:UserComment": "http://ns.adobe.com/exif/1.0/ UserComment",
    "XMP photoshop:Credit": "http://ns.adobe.com/photoshop/1.0/ Credit",
    "XMP xmp:CreatorTool": "http://ns.adobe.com/xap/1.0/ CreatorTool",
}
"""The XMP properties of the table, with their namespaces."""


class Mark(NamedTuple):
    """What one generator, and nobody else, writes into a field.

    Attributes:
        generator: its name.
        fields: where it writes it. ``PNG``: the text chunk with this keyword. ``EXIF``: the tag, in
            JPEG, PNG, WebP, AVIF and TIFF. ``XMP``: the property, in every container.
        pattern: found in the field's text.
    """

    generator: str
    fields: tuple[str, ...]
    pattern: re.Pattern[str]


def _mark(generator: str, pattern: str, *fields: str) -> Mark:
    return Mark(generator, fields, re.compile(pattern))


_SETTINGS = r"(?:^|\n)Steps: \d+, .*(?:Sampler: |App: SD\.Next)"
_GRAPH, _NODES = r'"class_type"\s*:', r'"nodes"\s*:'
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_COMMENT = "EXIF UserComment"

# The comment above each row names the source: the generator's own code for saving images, or
# readers of its files and files of the generator if the code is closed.
MARKS = (
    # AUTOMATIC1111/stable-diffusion-webui, modules/images.py, save_image_with_geninfo; also its
    # forks (Forge, SD.Next), Civitai, and savers for ComfyUI. The alpha channel:
    # ashen-sensored/sd_webui_stealth_pnginfo
    _mark("Stable Diffusion WebUI", _SETTINGS, "PNG parameters", _COMMENT, GIF_COMMENT, ALPHA),
    # comfyanonymous/ComfyUI, nodes.py (SaveImage), comfy_extras/nodes_images.py (SaveAnimatedWEBP);
    # thedyze/save-image-extended-comfyui (Make); Goktug/comfyui-saveimage-plus and civitai.com
    # (UserComment); AVIF: the XMP of Comfy-Org's own writers
    _mark("ComfyUI", _GRAPH, "PNG prompt", "XMP comfy:prompt"),
    _mark("ComfyUI", _NODES, "PNG workflow", "XMP comfy:workflow"),
    _mark("ComfyUI", rf"(?is)^prompt:\s*\{{.*{_GRAPH}", "EXIF Make", "EXIF Model"),
    _mark("ComfyUI", rf"(?is)^workflow:\s*\{{.*{_NODES}", "EXIF Make", "EXIF Model"),
    _mark("ComfyUI", rf"(?s)^\s*\{{.*{_GRAPH}", _COMMENT, ALPHA),
    # invoke-ai/InvokeAI, services/image_files; before version 3 ldm/invoke/pngwriter.py
    _mark("InvokeAI", r"^\s*\{", "PNG invokeai_metadata", "PNG invokeai_graph"),
    _mark("InvokeAI", r"^\s*\{", "PNG invokeai_workflow", "PNG sd-metadata"),
    _mark("InvokeAI", r" -s ?\d+ ", "PNG Dream"),
    # NovelAI: closed; files of version 4.5
    _mark("NovelAI", r"^NovelAI(?: Diffusion\b.*)?$", "PNG Software", "EXIF Software"),
    _mark("NovelAI", r'"Software"\s*:\s*"NovelAI"', ALPHA),
    # lllyasviel/Fooocus, modules/private_logger.py, modules/meta_parser.py
    _mark("Fooocus", r"^(?:fooocus|a1111)$", "PNG fooocus_scheme", "EXIF MakerNote"),
    _mark("Fooocus", r"^Fooocus v?\d", "EXIF Software"),
    _mark("Fooocus", r'(?s)^\s*\{.*"metadata_scheme"\s*:\s*"(?:fooocus|a1111)"', _COMMENT),
    # runew0lf/RuinedFooocus
    _mark("RuinedFooocus", r'(?s)^\s*\{.*"software"\s*:\s*"RuinedFooocus"', "PNG parameters"),
    # mcmonkeyprojects/SwarmUI, src/Utils/Image.cs
    _mark("SwarmUI", r'^\s*\{\s*"sui_image_params"\s*:', "PNG parameters", _COMMENT),
    # easydiffusion/easydiffusion, ui/easydiffusion/utils/save_utils.py
    _mark("Easy Diffusion", r"\S", "PNG use_stable_diffusion_model"),
    _mark("Easy Diffusion", r'(?s)^\s*\{.*"use_stable_diffusion_model"\s*:', _COMMENT),
    # drawthingsai/draw-things-community: its JSON has short keys
    _mark("Draw Things", r"^Draw Things\b", "XMP xmp:CreatorTool"),
    _mark("Draw Things", r'(?s)^\s*\{.*"c"\s*:.*"sampler"\s*:', "XMP exif:UserComment"),
    # tensor.art and LykosAI/StabilityMatrix: files; Spaces of Hugging Face with diffusers
    _mark("TensorArt", r'(?s)^\s*\{.*"baseModel"\s*:', "PNG generation_data"),
    _mark("Stability Matrix", r'(?s)^\s*\{.*"ProjectType"\s*:', "PNG smproj"),
    _mark("diffusers", r'(?s)^\s*\{.*"num_inference_steps"\s*:', "PNG parameters"),
    # Midjourney: closed; files of versions 5 to 7
    _mark("Midjourney", rf"(?:^|\s)Job ID: {_UUID}\s*$", "PNG Description"),
    # Google (Imagen, Gemini) and Dreamina: closed; files of 2024 to 2026
    _mark("Google AI", r"^Made with Google AI$", "XMP photoshop:Credit"),
    _mark(
        "Dreamina",
        r'^\s*\{\s*"aigc_info"\s*:\s*\{[^}]*"source_info"\s*:\s*"dreamina"',
        _COMMENT,
    ),
)
FIELDS = frozenset(field for mark in MARKS for field in mark.fields)


def find_marks(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each generator that left a mark, once, with the field.

    Args:
        fields: the texts of the file, by the names that the table uses.
    """
    seen: set[str] = set()
    for mark in MARKS:
        for field in mark.fields:
            if mark.generator not in seen and mark.pattern.search(fields.get(field, "")):
                seen.add(mark.generator)
                yield mark.generator, field
