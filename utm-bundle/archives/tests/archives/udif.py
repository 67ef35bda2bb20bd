"""Reads a .dmg by the trailer's and the table's own words, compares every checksum, and writes the volume."""

import plistlib
import struct
import sys
import zlib

data = open(sys.argv[1], "rb").read()
trailer = struct.Struct(">4sIIIQQQQQII16sII128sQQ120sII128sIQ12s")
assert trailer.size == 512
(magic, version, size, flags, running, fork, fork_bytes, rsrc, rsrc_bytes, segment, segments, _, crc_type, crc_bits, crc,
 list_at, list_bytes, _, master_type, master_bits, master, variant, sectors, _) = trailer.unpack(data[-512:])
assert (magic, version, size, flags) == (b"koly", 4, 512, 1)
assert (running, fork, rsrc, rsrc_bytes, segment, segments) == (0, 0, 0, 0, 1, 1)
assert (crc_type, crc_bits, master_type, master_bits, variant) == (2, 32, 2, 32, 2)
assert list_at + list_bytes + 512 == len(data) and fork_bytes == list_at
assert int.from_bytes(crc[:4], "big") == zlib.crc32(data[:fork_bytes])

tables = plistlib.loads(data[list_at : list_at + list_bytes])["resource-fork"]["blkx"]
assert len(tables) == 1
table = tables[0]["Data"]
print(tables[0]["Name"], tables[0]["ID"], tables[0]["Attributes"])
head = struct.Struct(">4sIQQQII24sII128sI")
magic, version, first, count, offset, buffers, descriptor, _, t, b, volume_crc, runs = head.unpack(table[: head.size])
assert (magic, version, first, count, offset, descriptor, t, b) == (b"mish", 1, 0, sectors, 0, 0xFFFFFFFE, 2, 32)
assert len(table) == head.size + 40 * runs
assert int.from_bytes(master[:4], "big") == zlib.crc32(volume_crc[:4])

next_sector, position, volume_value = 0, 0, 0
with open(sys.argv[2], "wb") as volume:
    for i in range(runs):
        kind, _, start, run_sectors, at, length = struct.unpack_from(">IIQQQQ", table, head.size + 40 * i)
        assert start == next_sector
        if kind == 0xFFFFFFFF:
            assert i == runs - 1 and run_sectors == 0
            break
        assert at == position and run_sectors + 8 <= buffers
        content = data[at : at + length]
        content = {1: bytes, 0x80000005: zlib.decompress}[kind](content)
        assert len(content) == 512 * run_sectors
        volume_value = zlib.crc32(content, volume_value)
        volume.write(content)
        next_sector += run_sectors
        position += length
assert next_sector == sectors and position == fork_bytes
assert int.from_bytes(volume_crc[:4], "big") == volume_value
