"""What a fetch left where, and what it should."""

import zlib

from gorp.data.official import fetch as fetching

TRAIN = "CL_Benchmark/SC/amazon/train.json"
DEV = "CL_Benchmark/SC/amazon/dev.json"
CONFIG = "configs/instruction_config.json"
HALF = "bytes=150000-"  # the range that asks for the rest of half a train file


def named(output):
    """What is under a final name: {path below the folder: digest}."""
    under_way = output / fetching.UNDER_WAY
    found = (file for file in output.rglob("*") if file.is_file() and under_way not in file.parents)
    return {file.relative_to(output).as_posix(): digest(file.read_bytes()) for file in found}


def digest(body):
    """Short, since a difference of 300,000 bytes takes a minute to print."""
    return f"{len(body)} bytes, {zlib.crc32(body)}"


def parts(output):
    """What is under way, {blob id: bytes}."""
    found = (output / fetching.UNDER_WAY).glob("*/*")
    return {file.name: file.read_bytes() for file in found if file.name != fetching.LOCK}


def expected(files, *folders):
    places = {path.partition("/")[2]: digest(body) for path, body in files.items()}
    return {place: content for place, content in places.items() if not folders or place.startswith(folders)}


def paths(server):
    return sorted(path for path, _ in server.asked)
