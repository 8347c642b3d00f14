#define _GNU_SOURCE
#include "websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_CHARS 24
#define MOST_HEAD 14

void websocket_connect(struct connection *connection, struct websocket *websocket, const char *path,
                       const char *subprotocol)
{
    uint64_t bits[2] = {random_bits(), random_bits()};
    char key[KEY_CHARS + sizeof GUID], request[1024];
    uint8_t digest[SHA_DIGEST_LENGTH];
    EVP_EncodeBlock((uint8_t *)key, (uint8_t *)bits, sizeof bits);
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
                        path, target(), key, subprotocol);
    memcpy(key + KEY_CHARS, GUID, sizeof GUID);
    SHA1((uint8_t *)key, strlen(key), digest);
    EVP_EncodeBlock((uint8_t *)websocket->accept, digest, sizeof digest);
    websocket->open = false;
    say(connection, request, (size_t)size);
}

/* Take the answer to the handshake; return its size, or 0 if it is not all there. */
static size_t take_answer(struct connection *connection, struct websocket *websocket, char *data, size_t size)
{
    char *end = memmem(data, size, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    end[2] = 0;
    if (strncmp(data, "HTTP/1.1 101", 12) != 0) {
        data[strcspn(data, "\r")] = 0;
        ended(connection, data);
        return 0;
    }
    for (char *line = strstr(data, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, "Sec-WebSocket-Accept:", 21) == 0)
            websocket->open = strstr(line, websocket->accept) != NULL;
    if (!websocket->open)
        failed(connection, "the answer to the handshake does not fit");
    return (size_t)(end + 4 - data);
}

/* Read the head of a frame; return its size, or 0 if it is not all there. */
static size_t read_head(const uint8_t *data, size_t size, uint64_t *payload)
{
    if (size < 2)
        return 0;
    *payload = data[1] & 0x7f;
    size_t more = *payload == 126 ? 2 : *payload == 127 ? 8 : 0;
    if (size < 2 + more)
        return 0;
    if (more)
        *payload = 0;
    for (size_t i = 0; i < more; i++)
        *payload = *payload << 8 | data[2 + i];
    return 2 + more;
}

static void on_frame(struct connection *connection, const struct websocket_user *user, uint8_t first, uint8_t *data,
                     size_t size)
{
    char reason[160];
    switch (first) {
    case 0x80 | TEXT:
    case 0x80 | BINARY:
        user->message(connection, data, size);
        return;
    case 0x80 | PING:
        websocket_send(connection, PONG, data, size);
        return;
    case 0x80 | PONG:
        return;
    case 0x80 | CLOSE:
        snprintf(reason, sizeof reason, "the server closed with %d %.*s", size < 2 ? 0 : data[0] << 8 | data[1],
                 size < 2 ? 0 : (int)(size - 2), data + 2);
        ended(connection, reason);
        return;
    default:
        failed(connection, "the server sent a frame that begins with 0x%02x", first);
    }
}

size_t websocket_received(struct connection *connection, struct websocket *websocket,
                          const struct websocket_user *user, uint8_t *data, size_t size)
{
    size_t used = 0, head;
    uint64_t payload;
    if (!websocket->open) {
        used = take_answer(connection, websocket, (char *)data, size);
        if (used == 0)
            return 0;
        user->opened(connection);
    }
    while ((head = read_head(data + used, size - used, &payload)) > 0 && payload <= size - used - head) {
        on_frame(connection, user, data[used], data + used + head, payload);
        if (connection->fd < 0)
            return used; /* the connection has ended */
        used += head + payload;
    }
    return used;
}

static size_t write_head(uint8_t *at, enum opcode opcode, size_t size)
{
    at[0] = (uint8_t)(0x80 | opcode);
    size_t more = size < 126 ? 0 : size < 65536 ? 2 : 8;
    at[1] = (uint8_t)(0x80 | (more == 0 ? size : more == 2 ? 126 : 127));
    for (size_t i = 0; i < more; i++)
        at[2 + i] = (uint8_t)(size >> 8 * (more - 1 - i));
    return 2 + more;
}

void websocket_send(struct connection *connection, enum opcode opcode, const void *data, size_t size)
{
    uint8_t *at = room_to_say(connection, MOST_HEAD + size + 8);
    size_t head = write_head(at, opcode, size);
    uint32_t mask = (uint32_t)random_bits();
    uint64_t wide = (uint64_t)mask << 32 | mask, word;
    memcpy(at + head, &mask, sizeof mask);
    head += sizeof mask;
    if (size)
        memcpy(at + head, data, size);
    for (size_t i = 0; i < size; i += sizeof word) { /* there is room for what the last word has too much */
        memcpy(&word, at + head + i, sizeof word);
        word ^= wide;
        memcpy(at + head + i, &word, sizeof word);
    }
    said(connection, head + size);
}
