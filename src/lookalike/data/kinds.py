"""What a file is, by its suffix and by its first bytes: an image that can be read, or the reason why it is none.

The suffix decides where it is a known one. Files of an unknown suffix, or of none, are told by their first bytes, so
that a photo that a download has called `photo.jpg_large` or `0a1b2c` is one.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache

from PIL import features

_READ = (
    ".jpg .jpeg .jpe .jfif .jif .jfi .pjpeg .pjp .mpo .png .apng .webp .bmp .dib .gif .tif .tiff .ppm .pgm .pbm .pnm "
    ".pfm .tga .ico .icns .cur .psd .pcx .dcx .sgi .ras .dds .qoi .xpm .xbm .jps .npy"
)
"""Suffixes of images that are always read."""
_WITH_HELP = {
    "avif": (".avif", ".avifs"),
    "jpeg2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "heif": (".heic", ".heif", ".hif", ".heics", ".heifs"),
}
"""Suffixes of images that are read where this machine has what reads them."""
_OTHERS = {
    "raw": (
        ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .gpr .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf .pef .ptx .raf "
        ".raw .rw2 .rwl .sr2 .srf .srw .x3f"
    ),
    "jxl": ".jxl",
    "layers": ".psb .xcf .kra .ora .clip .procreate .afphoto .pdn .cpt .sketch",
    "drawing": ".svg .svgz .eps .ps .ai .cdr .wmf .emf .afdesign .dwg .dxf",
    "science": (
        ".dcm .dicom .nii .mhd .mha .nrrd .fits .fit .fts .exr .hdr .mat .h5 .hdf5 .zarr .czi .nd2 .lif .lsm .oib .oif "
        ".svs .ndpi .mrxs .scn .vsi .bif .hdf .nc .grib .jls"
    ),
    "video": (
        ".mp4 .m4v .mov .avi .mkv .webm .mpg .mpeg .wmv .flv .mts .m2ts .3gp .3g2 .ogv .vob .insv .lrv .y4m .mxf .asf "
        ".h264 .h265 .hevc"
    ),
    "pages": ".pdf .djvu .xps",
    "named": ".zip .tar .tgz .tbz2 .txz .npz",
    "other": (
        ".txt .csv .tsv .json .jsonl .ndjson .xml .xmp .yaml .yml .toml .ini .cfg .conf .md .rst .html .htm .css "
        ".js .ts .py .pyc .ipynb .m .r .c .cpp .h .hpp .java .sh .bat .cmd .ps1 .log .lock .doc .docx .odt .rtf "
        ".xls .xlsx .ods .ppt .pptx .odp .epub .mobi .mp3 .wav .flac .ogg .opus .m4a .aac .wma .mid .aae .thm "
        ".pp3 .dop .cos .cof .nksc .on1 .vrd .xmpbak .gpx .kml .kmz .geojson .shp .shx .dbf .prj .cpg .tfw .jgw "
        ".pgw .ovr .db .sqlite .sqlite3 .mdb .lmdb .parquet .arrow .feather .tfrecord .tfrecords .rec .idx .lst "
        ".pkl .pickle .pt .pth .ckpt .onnx .pb .safetensors .gz .bz2 .xz .zst .7z .rar .exe .dll .so .msi .apk "
        ".dmg .iso .ttf .otf .woff .woff2 .lnk .url .webloc .torrent .part .partial .crdownload .download .lrcat "
        ".lrtemplate .lrprev .info .nfo .sfv .md5 .sha1 .sha256 .srt .vtt .ass .cls .names .cache .icc .icm"
    ),
}
_REASON_OF = {suffix: reason for reason, words in _OTHERS.items() for suffix in words.split()}
_REASON_OF |= dict.fromkeys((".tar.gz", ".tar.bz2", ".tar.xz"), "named") | {".nii.gz": "science"}
_PACKED = (".gz", ".bz2", ".xz")
_CLOUD = ".icloud"
_ODD = re.compile(
    r"\.[0-9]*[a-z][0-9a-z_+-]{0,11}\Z", re.ASCII
)  # what is counted as a suffix; "2023.01 beach" has none

HEAD = 132
"""Bytes that tell what a file is."""
_FTYP = {b"avif": "avif", b"avis": "avif", b"heic": "heif", b"heix": "heif", b"heim": "heif", b"heis": "heif"}
_FTYP |= {b"hevc": "heif", b"hevx": "heif", b"mif1": "heif", b"msf1": "heif", b"crx ": "raw", b"jxl ": "jxl"}
_DIB_HEADS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes of the second header of a .bmp
_STARTS = (
    (b"\xff\xd8\xff", ""),
    (b"\x89PNG\r\n\x1a\n", ""),
    (b"GIF87a", ""),
    (b"GIF89a", ""),
    (b"II*\0", ""),
    (b"MM\0*", ""),
    (b"II+\0", ""),
    (b"MM\0+", ""),
    (b"\0\0\0\x0cjP  \r\n", "jpeg2000"),
    (b"\xffO\xffQ", "jpeg2000"),
    (b"\0\0\0\x0cJXL \r\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"8BPS\0", "layers"),
    (b"gimp xcf", "layers"),
    (b"SIMPLE  =", "science"),
    (b"\x89HDF\r\n", "science"),
    (b"v/1\x01", "science"),
    (b"%PDF-", "pages"),
    (b"%!PS", "drawing"),
    (b"<svg", "drawing"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"IIRO", "raw"),
    (b"IIU\0", "raw"),
)


@cache
def _unread() -> dict[str, str]:
    """Suffixes of images that this machine lacks a reader for, with the reason."""
    readable = {
        "avif": bool(features.check("avif")) if "avif" in features.modules else False,
        "jpeg2000": bool(features.check("jpg_2000")),
        "heif": importlib.util.find_spec("pillow_heif") is not None,
    }
    return {suffix: reason for reason, suffixes in _WITH_HELP.items() if not readable[reason] for suffix in suffixes}


@cache
def image_suffixes() -> tuple[str, ...]:
    """Suffixes of images that can be read here, the usual ones first."""
    helped = (suffix for suffixes in _WITH_HELP.values() for suffix in suffixes)
    return (*_READ.split(), *(suffix for suffix in helped if suffix not in _unread()))


@cache
def _reasons() -> dict[str, str]:
    """The reason by suffix: "" for an image that can be read, else why it is none."""
    return _REASON_OF | dict.fromkeys(image_suffixes(), "") | _unread() | {_CLOUD: "cloud"}


def suffix_of(name: str) -> str:
    """The suffix of a name, in small letters with its dot; empty where what follows the last dot is none."""
    stem, dot, suffix = name.rpartition(".")
    dotted = f".{suffix.lower()}"
    if dotted in _PACKED:  # says less than what stands before it
        inner = f".{stem.rpartition('.')[2].lower()}{dotted}"
        dotted = inner if inner in _reasons() else dotted
    return dotted if dot and stem.rsplit("/", 1)[-1] and (dotted in _reasons() or _ODD.match(dotted)) else ""


def reason_by_suffix(suffix: str) -> str | None:
    """Empty for an image that can be read, else the reason why it is none; None where the first bytes must tell."""
    return _reasons().get(suffix)


def reason_by_bytes(head: bytes) -> str:
    """The same by the first bytes of a file (`HEAD` of them, or all that there are)."""
    for start, reason in _STARTS:
        if head.startswith(start):
            return _here(reason)
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[i : i + 4] for i in range(16, min(int.from_bytes(head[:4]), len(head)) - 3, 4))}
        kinds = {_FTYP[brand] for brand in brands if brand in _FTYP}
        return _here(next((kind for kind in ("avif", "raw", "heif", "jxl") if kind in kinds), "video"))
    if head[:4] == b"RIFF":
        return "" if head[8:12] == b"WEBP" else "video" if head[8:12] == b"AVI " else "other"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _DIB_HEADS:
        return ""
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in b" \t\r\n#" and len(head) > 7:
        return ""
    return "science" if head[128:132] == b"DICM" else "other"


def _here(reason: str) -> str:
    """Empty where this machine reads what others may not."""
    suffixes = _WITH_HELP.get(reason)
    return "" if suffixes is not None and suffixes[0] not in _unread() else reason
