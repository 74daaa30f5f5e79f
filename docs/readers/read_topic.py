#!/usr/bin/env python3
"""Reads a topic from the log segments in a store, without Millrace: Python 3 and its standard library; for zstd
Python 3.14, else the module zstandard or the program zstd.

    read_topic.py PATH... --topic TOPIC [--partition P] [--from OFFSET] [--live FILE] [--verify]

PATH is the root of a directory store (store-0/), a folder with objects downloaded from a bucket, or a .log file of it;
the part of a path from segments/ on is the object's key. Prints a line of JSON for each record, in the order of
partitions and offsets:

    {"partition": 0, "offset": 17, "timestamp": 1700000000000, "key": "k", "value": "v", "headers": [["name", "value"]]}

Keys and values that are not UTF-8 come as {"base64": "..."}. What it cannot know without the journals is said in
docs/FORMATS.md, section 11: the newest records are not in segments yet; and segments that nothing refers to any more
stay until garbage is collected. Of segments that overlap, the newest is read. Who can name the live ones puts their
keys in a file for --live, and only those are read: what `millrace segments list` prints will do, and so will what
`millrace segments list --json` prints.
"""

import argparse
import base64
import json
import os
import re
import struct
import subprocess
import sys
import zlib

HEADER = struct.Struct(">qiibIhiqqqhii")  # section 10: base offset to record count, 61 bytes
INDEX_ENTRY = struct.Struct(">ii")
LOG_APPEND_TIME, CONTROL = 0x08, 0x20
KEY = re.compile(r"(?:^|/)segments/(\d{10})/([0-9a-f]{32})/(.+)-(\d+)/(\d{20})\.log$")


class BadSegment(Exception):
    """The bytes are not what the format says, or this Python cannot read them."""


class Batch:
    """One record batch: its header, and where it lies."""

    def __init__(self, path, position, header):
        fields = HEADER.unpack(header)
        self.path, self.position, self.size = path, position, fields[1] + 12
        self.base_offset, self.crc, self.attributes = fields[0], fields[4], fields[5]
        self.last_offset = fields[0] + fields[6]
        self.base_timestamp, self.max_timestamp = fields[7], fields[8]
        self.record_count = fields[12]
        if fields[3] != 2 or self.size < HEADER.size or fields[6] < 0:
            raise BadSegment(f"{path}: no record batch at position {position}")


class Segment:
    def __init__(self, path, match):
        self.path = path
        self.topic, self.partition = match.group(3), int(match.group(4))
        self.base_offset = int(match.group(5))
        self.size = os.path.getsize(path)
        self.next_offset = self._next_offset()
        # The epoch orders attempts by the hour, the time of writing within it.
        self.age = (int(match.group(1)), os.path.getmtime(path), self.next_offset - self.base_offset)

    def batches(self, position=0):
        """From the batch at `position` on."""
        with open(self.path, "rb") as log:
            while position < self.size:
                log.seek(position)
                header = log.read(HEADER.size)
                if len(header) < HEADER.size:
                    raise BadSegment(f"{self.path}: cut short at position {position}")
                batch = Batch(self.path, position, header)
                if position + batch.size > self.size:
                    raise BadSegment(f"{self.path}: cut short at position {position}")
                yield batch
                position += batch.size

    def position_of(self, offset):
        """Where a batch begins at or before the one that holds `offset`: by the .index, if it is there."""
        position = 0
        for relative_offset, at in self._index():
            if self.base_offset + relative_offset > offset:
                break
            position = at
        return position

    def _index(self):
        path = self.path[: -len(".log")] + ".index"
        if not os.path.exists(path):
            return []
        with open(path, "rb") as index:
            return list(INDEX_ENTRY.iter_unpack(index.read()))

    def _next_offset(self):
        next_offset = self.base_offset
        for batch in self.batches(self.position_of(sys.maxsize)):
            next_offset = batch.last_offset + 1
        return next_offset


def find_segments(options):
    live = None
    if options.live is not None:
        with open(options.live, encoding="utf-8") as text:
            live = set(re.findall(r"segments/\d{10}/[0-9a-f]{32}/[A-Za-z0-9._-]+/\d{20}\.log", text.read()))
    for path in options.paths:
        files = [path]
        if os.path.isdir(path):
            files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
        for file in sorted(files):
            match = KEY.search(os.path.abspath(file).replace(os.sep, "/"))
            if match is None or match.group(3) != options.topic:
                continue
            if options.partition in (None, int(match.group(4))) and (live is None or match.group(0).lstrip("/") in live):
                yield Segment(file, match)


def live_ranges(segments):
    """(begin, end, segment), ascending: each offset from the newest segment that covers it."""
    ranges = []
    for segment in sorted(segments, key=lambda each: each.age, reverse=True):
        free = [(segment.base_offset, segment.next_offset)]
        for begin, end, _ in ranges:
            free = [piece for old in free for piece in ((old[0], min(old[1], begin)), (max(old[0], end), old[1]))]
            free = [piece for piece in free if piece[0] < piece[1]]
        ranges += [(begin, end, segment) for begin, end in free]
    return sorted(ranges, key=lambda each: each[:2])


def read_records(batch, verify):
    with open(batch.path, "rb") as log:
        log.seek(batch.position)
        data = log.read(batch.size)
    if verify and crc32c(data[21:]) != batch.crc:
        raise BadSegment(f"{batch.path}: wrong checksum of the batch at position {batch.position}")
    section = decompress(batch, data[HEADER.size :])
    position = 0
    for _ in range(batch.record_count):
        length, position = varint(section, position)
        yield read_record(batch, section[position : position + length])
        position += length


def read_record(batch, data):
    timestamp_delta, position = varint(data, 1)  # after a byte of attributes, which mean nothing
    offset_delta, position = varint(data, position)
    key, position = read_bytes(data, position)
    value, position = read_bytes(data, position)
    count, position = varint(data, position)
    headers = []
    for _ in range(count):
        name, position = read_bytes(data, position)
        content, position = read_bytes(data, position)
        headers.append([as_json(name), as_json(content)])
    timestamp = batch.base_timestamp + timestamp_delta
    if batch.attributes & LOG_APPEND_TIME:
        timestamp = batch.max_timestamp
    offset = batch.base_offset + offset_delta
    return {"offset": offset, "timestamp": timestamp, "key": as_json(key), "value": as_json(value), "headers": headers}


def decompress(batch, section):
    codec = batch.attributes & 0x07
    if codec == 0:
        return section
    if codec == 1:
        return zlib.decompress(section, wbits=31)
    if codec == 2:
        return read_snappy(section)
    if codec == 3:
        return read_lz4(section)
    where = f"{batch.path}: offset {batch.base_offset}"
    if codec != 4:
        raise BadSegment(f"{where} is compressed with codec {codec}, which does not exist")
    return read_zstd(section, where)


def read_zstd(data, where):
    try:
        from compression import zstd

        return zstd.decompress(data)
    except ImportError:
        pass
    try:
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    except ImportError:
        pass
    try:
        ended = subprocess.run(["zstd", "-d", "-c", "-q"], input=data, capture_output=True)
    except OSError:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise BadSegment(
            f"{where} is compressed with zstd, which Python reads from 3.14 on; this is {python}, "
            "and there is neither the module zstandard nor the program zstd"
        ) from None
    if ended.returncode != 0:
        raise BadSegment(f"{where}: {ended.stderr.decode(errors='replace').strip()}")
    return ended.stdout


def read_snappy(data):
    """The frames of snappy-java, or one bare block."""
    if data[:8] != b"\x82SNAPPY\x00":
        return read_snappy_block(data)
    out, position = bytearray(), 16  # after the magic and two version numbers
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        out += read_snappy_block(data[position + 4 : position + 4 + size])
        position += 4 + size
    return bytes(out)


def read_snappy_block(data):
    out, position = bytearray(), 0
    while data[position] & 0x80:  # the length, which the data tells as well
        position += 1
    position += 1
    while position < len(data):
        tag = data[position]
        position += 1
        if tag & 3 == 0:
            size = tag >> 2
            if size >= 60:
                width = size - 59
                size = int.from_bytes(data[position : position + width], "little")
                position += width
            out += data[position : position + size + 1]
            position += size + 1
        elif tag & 3 == 1:
            repeat(out, (tag >> 5) << 8 | data[position], 4 + (tag >> 2 & 7))
            position += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            repeat(out, int.from_bytes(data[position : position + width], "little"), 1 + (tag >> 2))
            position += width
    return bytes(out)


def read_lz4(data):
    """One frame, as Kafka's producers write it. Its checksums are not looked at: the batch has one."""
    if data[:4] != b"\x04\x22\x4d\x18":
        raise BadSegment("lz4 data without the magic of a frame")
    flags = data[4]
    position = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    out = bytearray()
    while size := int.from_bytes(data[position : position + 4], "little"):
        position += 4
        length = size & 0x7FFFFFFF
        block = data[position : position + length]
        if size >> 31:
            out += block
        else:
            read_lz4_block(block, out)
        position += length + (4 if flags & 0x10 else 0)
    return bytes(out)


def read_lz4_block(data, out):
    position = 0
    while position < len(data):
        token = data[position]
        size, position = lz4_length(data, position + 1, token >> 4)
        out += data[position : position + size]
        position += size
        if position >= len(data):
            return  # the last sequence has literals only
        distance = int.from_bytes(data[position : position + 2], "little")
        size, position = lz4_length(data, position + 2, token & 0x0F)
        repeat(out, distance, size + 4)


def lz4_length(data, position, length):
    if length < 15:
        return length, position
    while True:
        length += data[position]
        position += 1
        if data[position - 1] != 255:
            return length, position


def repeat(out, distance, count):
    """Appends `count` bytes from `distance` bytes before the end, which may overlap with what is appended."""
    start = len(out) - distance
    if distance == 0 or start < 0:
        raise BadSegment("compressed data that refers to what is not there")
    while count > 0:
        piece = out[start : start + count]
        out += piece
        count -= len(piece)


def varint(data, position):
    """Zigzag over LEB128: the value, and where it ends."""
    shift = result = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (result >> 1) ^ -(result & 1), position


def read_bytes(data, position):
    length, position = varint(data, position)
    if length < 0:
        return None, position
    return data[position : position + length], position + length


def as_json(data):
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def crc_table():
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        yield value


CRC_TABLE = tuple(crc_table())


def read_partition(segments, options, print_record):
    expected = None
    for begin, end, segment in live_ranges(segments):
        if expected is not None and begin > expected:
            print(f"partition {segment.partition}: no segment has offsets {expected} to {begin - 1}", file=sys.stderr)
        expected = end
        begin = max(begin, options.start)
        if begin >= end:
            continue
        for batch in segment.batches(segment.position_of(begin)):
            if batch.base_offset >= end:
                break
            if batch.last_offset < begin or batch.attributes & CONTROL:
                continue
            for record in read_records(batch, options.verify):
                if begin <= record["offset"] < end:
                    print_record({"partition": segment.partition, **record})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partition", type=int)
    parser.add_argument("--from", type=int, default=0, dest="start", metavar="OFFSET")
    parser.add_argument("--live", metavar="FILE", help="names the segments to read, by their keys")
    parser.add_argument("--verify", action="store_true", help="check every batch's checksum, which is slow here")
    options = parser.parse_args()
    try:
        partitions = {}
        for segment in find_segments(options):
            partitions.setdefault(segment.partition, []).append(segment)
        if not partitions:
            raise BadSegment(f"no segments of {options.topic} in {', '.join(options.paths)}")
        for _, segments in sorted(partitions.items()):
            read_partition(segments, options, lambda record: print(json.dumps(record)))
    except (BadSegment, IndexError, OSError, zlib.error) as error:
        print(f"read_topic.py: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
