/* As much of MessagePack as the frames of Tidings need. */
#ifndef MSGPACK_H
#define MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Writing: each writes at `at` and returns where the next one goes; the caller has made room. */

static inline uint8_t *put_big(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

static inline uint8_t *put_array(uint8_t *at, uint32_t count)
{
    if (count < 16)
        return put_big(at, 0x90 | count, 1);
    *at++ = 0xdc;
    return put_big(at, count, 2);
}

static inline uint8_t *put_integer(uint8_t *at, uint64_t value)
{
    if (value < 0x80)
        return put_big(at, value, 1);
    int size = value < 0x100 ? 0 : value < 0x10000 ? 1 : value < UINT64_C(0x100000000) ? 2 : 3;
    *at++ = (uint8_t)(0xcc + size);
    return put_big(at, value, 1 << size);
}

static inline uint8_t *put_text(uint8_t *at, const char *text, size_t size)
{
    if (size < 32) {
        *at++ = (uint8_t)(0xa0 | size);
    } else {
        *at++ = size < 256 ? 0xd9 : 0xda;
        at = put_big(at, size, size < 256 ? 1 : 2);
    }
    memcpy(at, text, size);
    return at + size;
}

static inline uint8_t *put_bytes(uint8_t *at, const void *data, size_t size)
{
    int width = size < 256 ? 0 : size < 65536 ? 1 : 2;
    *at++ = (uint8_t)(0xc4 + width);
    at = put_big(at, size, 1 << width);
    if (size)
        memcpy(at, data, size);
    return at + size;
}

static inline uint8_t *put_nil(uint8_t *at) { return put_big(at, 0xc0, 1); }

static inline uint8_t *put_bool(uint8_t *at, bool value) { return put_big(at, value ? 0xc3 : 0xc2, 1); }

/* Reading: `at` moves on; once something does not fit, `wrong` is set and all that is read is empty. */

struct reader {
    const uint8_t *at, *end;
    bool wrong;
};

struct bytes {
    const char *data;
    size_t size;
};

/* The next `bytes` bytes as a number. */
uint64_t read_big(struct reader *, size_t bytes);
uint32_t read_array(struct reader *); /* how many elements follow */
uint64_t read_integer(struct reader *);
struct bytes read_bytes(struct reader *); /* text, bytes, or nil (no data) */
void read_past(struct reader *); /* anything */

static inline bool equals(struct bytes bytes, const char *text, size_t size)
{
    return bytes.size == size && memcmp(bytes.data, text, size) == 0;
}

#endif
