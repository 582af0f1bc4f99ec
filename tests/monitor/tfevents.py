"""Reads TensorBoard event files independently of the program that wrote them.

Frames and checksums are taken apart here (CRC-32C from its polynomial), payloads by protoc with
tfevents.proto. As a module: events(path) gives dictionaries of lists of values.
"""

import ast
import os
import re
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
POLYNOMIAL = 0x1EDC6F41  # Castagnoli


def _reflect(value, bits):
    return int(format(value, f"0{bits}b")[::-1], 2)


def _table():
    table = []
    for byte in range(256):
        crc = _reflect(byte, 8) << 24
        for _ in range(8):
            crc = ((crc << 1) ^ (POLYNOMIAL if crc >> 31 else 0)) & 0xFFFFFFFF
        table.append(_reflect(crc, 32))
    return table


TABLE = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value


def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def payloads(data):
    """The payload of every record; a wrong checksum or length is an error."""
    found = []
    at = 0
    while at < len(data):
        head = data[at : at + 8]
        (length,) = struct.unpack("<Q", head)
        (head_crc,) = struct.unpack("<I", data[at + 8 : at + 12])
        payload = data[at + 12 : at + 12 + length]
        (crc,) = struct.unpack("<I", data[at + 12 + length : at + 16 + length])
        assert head_crc == masked(head), f"checksum of the length at byte {at}"
        assert crc == masked(payload), f"checksum of the payload at byte {at}"
        found.append(payload)
        at += 16 + length
    assert at == len(data)
    return found


def _varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _scalar(text):
    if text.startswith('"'):
        return ast.literal_eval("b" + text)
    if text in ("true", "false"):
        return text == "true"
    return float(text) if re.search(r"[.einf]", text) else int(text)


def _message(lines):
    """protoc's text format, up to the closing brace: a dictionary of lists."""
    fields = {}
    for line in lines:
        line = line.strip()
        if line == "}":
            break
        if line.endswith(" {"):
            fields.setdefault(line[:-2], []).append(_message(lines))
        elif line:
            name, text = line.split(": ", 1)
            fields.setdefault(name, []).append(_scalar(text))
    return fields


def events(path):
    """All events of the file."""
    with open(path, "rb") as file:
        found = payloads(file.read())
    whole = b"".join(b"\x0a" + _varint(len(p)) + p for p in found)
    text = subprocess.run(
        ["protoc", f"-I{HERE}", "--decode=tfevents.Events", "tfevents.proto"],
        input=whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    assert not text.stderr, text.stderr
    # a field that the .proto does not know would be printed by its number
    assert not re.search(rb"^\s*\d+[: ]", text.stdout, re.M), "an unknown field"
    lines = text.stdout.decode("utf-8").splitlines()
    decoded = _message(iter(lines)).get("event", [])
    assert len(decoded) == len(found)
    return decoded


def values(path):
    """(step, wall time, value) of every Summary.Value, and those values by tag."""
    by_tag = {}
    for event in events(path):
        for summary in event.get("summary", []):
            for value in summary["value"]:
                row = (event.get("step", [0])[0], event["wall_time"][0], value)
                by_tag.setdefault(value["tag"][0].decode(), []).append(row)
    return by_tag
