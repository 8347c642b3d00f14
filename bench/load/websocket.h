/* WebSocket (RFC 6455) as a client speaks it, without extensions; what the server sends must not be fragmented. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include "protocol.h"

enum opcode { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* A protocol's state holds one of these for each connection. */
struct websocket {
    bool open;
    char accept[29]; /* what the server must answer */
};

/* What a protocol does with it: when the handshake is through, and with each message. */
struct websocket_user {
    void (*opened)(struct connection *);
    void (*message)(struct connection *, uint8_t *data, size_t size);
};

/* Ask for the upgrade; `struct protocol.connected` calls this. */
void websocket_connect(struct connection *, struct websocket *, const char *path, const char *subprotocol);
/* Take what came; `struct protocol.received` calls this and returns what it returns. Pings are answered here. */
size_t websocket_received(struct connection *, struct websocket *, const struct websocket_user *, uint8_t *data,
                          size_t size);
/* Send a message. */
void websocket_send(struct connection *, enum opcode, const void *data, size_t size);

#endif
