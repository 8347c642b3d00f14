#include "msgpack.h"

static bool has(struct reader *reader, size_t size)
{
    if ((size_t)(reader->end - reader->at) < size)
        reader->wrong = true;
    return !reader->wrong;
}

uint64_t read_big(struct reader *reader, size_t bytes)
{
    uint64_t value = 0;
    if (!has(reader, bytes))
        return 0;
    while (bytes--)
        value = value << 8 | *reader->at++;
    return value;
}

uint32_t read_array(struct reader *reader)
{
    uint8_t first = (uint8_t)read_big(reader, 1);
    if (first >> 4 == 9)
        return first & 15;
    if (first == 0xdc || first == 0xdd)
        return (uint32_t)read_big(reader, first == 0xdc ? 2 : 4);
    reader->wrong = true;
    return 0;
}

uint64_t read_integer(struct reader *reader)
{
    uint8_t first = (uint8_t)read_big(reader, 1);
    if (first < 0x80)
        return first;
    if (first >= 0xcc && first <= 0xcf)
        return read_big(reader, (size_t)1 << (first - 0xcc));
    reader->wrong = true;
    return 0;
}

struct bytes read_bytes(struct reader *reader)
{
    uint8_t first = (uint8_t)read_big(reader, 1);
    size_t size = 0;
    if (first >> 5 == 5)
        size = first & 31;
    else if (first >= 0xc4 && first <= 0xc6)
        size = read_big(reader, (size_t)1 << (first - 0xc4));
    else if (first >= 0xd9 && first <= 0xdb)
        size = read_big(reader, (size_t)1 << (first - 0xd9));
    else
        reader->wrong = reader->wrong || first != 0xc0;
    if (!has(reader, size))
        return (struct bytes){"", 0};
    struct bytes bytes = {(const char *)reader->at, size};
    reader->at += size;
    return bytes;
}

void read_past(struct reader *reader)
{
    if (!has(reader, 1))
        return;
    uint8_t first = *reader->at;
    if (first >> 4 == 9 || first == 0xdc || first == 0xdd) {
        for (uint32_t count = read_array(reader); count > 0 && !reader->wrong; count--)
            read_past(reader);
    } else if (first >> 5 == 5 || (first >= 0xc4 && first <= 0xc6) || (first >= 0xd9 && first <= 0xdb)) {
        read_bytes(reader);
    } else if (first < 0x80 || first >= 0xe0 || (first >= 0xc0 && first <= 0xc3)) {
        reader->at++;
    } else if (first >= 0xca && first <= 0xcb) {
        read_big(reader, first == 0xca ? 5 : 9);
    } else {
        reader->at++;
        read_big(reader, (size_t)1 << (first & 3)); /* integers: 0xcc to 0xd3 */
    }
}
