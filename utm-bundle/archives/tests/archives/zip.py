"""One line for each entry of a .zip: path, mode, size, CRC of the content that was unpacked, both dates."""

import struct
import sys
import zipfile
import zlib

with zipfile.ZipFile(sys.argv[1]) as archive:
    for entry in archive.infolist():
        crc = 0
        size = 0
        with archive.open(entry) as content:
            while piece := content.read(1 << 20):
                crc = zlib.crc32(piece, crc)
                size += len(piece)
        assert size == entry.file_size and crc == entry.CRC
        assert entry.create_system == 3
        # The extra fields; the last is Info-ZIP's date.
        extra = entry.extra
        fields = {}
        while extra:
            tag, length = struct.unpack("<HH", extra[:4])
            fields[tag] = extra[4 : 4 + length]
            extra = extra[4 + length :]
        flags, date = struct.unpack("<Bi", fields[0x5455])
        assert flags == 1
        day = "%04d-%02d-%02d %02d:%02d:%02d" % entry.date_time
        print(f"{entry.filename} {entry.external_attr >> 16:o} {size} {crc:08x} {day} {date}")
