/* A device of Tidings, as docs/protocol.md has it: it signs in with its key, sends with epoch, devices and `prev`, and
 * acks once for all that one read brought. Its ciphertext is none: a benchmark's body behind an envelope's first byte.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "msgpack.h"
#include "websocket.h"

#define MEGOLM 1 /* the first byte of an envelope for a conversation */
#define ID_BYTES 16
#define SMALL 512 /* room for any command but a message */

/* What the server has stored and the other has not acked yet. */
struct waiting {
    uint64_t seq;
    uint32_t ticket;
};

/* A conversation of one's own. */
struct line {
    bool has_prev;
    uint8_t prev[ID_BYTES];
    uint32_t asked; /* messages that the server has not answered yet */
    uint32_t stale; /* of these: they name a `prev` that was wrong, and will be refused, too */
    uint64_t delivered;
    struct waiting *waiting; /* a ring of `room` (a power of two), in the order of `seq` */
    uint32_t first, count, room;
};

struct device {
    struct websocket websocket;
    uint8_t mailbox[ID_BYTES];
    size_t mailbox_size;
    uint64_t pos, marks_since;
    bool to_ack;
    struct line *lines; /* of each of the person's conversations */
};

static void send_frame(struct connection *connection, const uint8_t *frame, const uint8_t *end)
{
    websocket_send(connection, BINARY, frame, (size_t)(end - frame));
}

static uint8_t *put_name(uint8_t *at, const char *name) { return put_text(at, name, strlen(name)); }

/* Signing in */

static void sign(const struct person *person, const char *text, size_t size, uint8_t *signature)
{
    uint8_t seed[32];
    size_t signature_size = 64;
    for (size_t i = 0; i < sizeof seed; i++)
        sscanf(person->secret + 2 * i, "%2hhx", &seed[i]);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &signature_size, (const uint8_t *)text, size) != 1)
        abort();
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
}

static void on_challenge(struct connection *connection, struct reader *reader)
{
    struct device *device = connection->state;
    const struct person *person = connection->person;
    struct bytes nonce = read_bytes(reader), server = read_bytes(reader);
    char nonce_text[64] = "", mailbox_text[32] = "", text[512];
    uint8_t signature[64], frame[SMALL], *at;
    if (nonce.size > 45)
        failed(connection, "the challenge is too long");
    EVP_EncodeBlock((uint8_t *)nonce_text, (const uint8_t *)nonce.data, (int)nonce.size);
    EVP_EncodeBlock((uint8_t *)mailbox_text, device->mailbox, (int)device->mailbox_size);
    int size = snprintf(text, sizeof text, "tidings hello v1\n%s\n%.*s\n%s\n%s\n%s", nonce_text, (int)server.size,
                        server.data, person->account, person->device, mailbox_text);
    sign(person, text, (size_t)size, signature);
    at = put_name(put_array(frame, 8), "hello");
    at = put_name(put_name(put_integer(at, 0), person->account), person->device);
    at = put_bytes(at, device->mailbox, device->mailbox_size);
    at = put_integer(put_integer(at, device->pos), device->marks_since);
    send_frame(connection, frame, put_bytes(at, signature, sizeof signature));
}

static void on_ready(struct connection *connection, struct reader *reader)
{
    struct device *device = connection->state;
    read_past(reader); /* the id */
    struct bytes mailbox = read_bytes(reader);
    uint64_t pos = read_integer(reader);
    if (!equals(mailbox, (char *)device->mailbox, device->mailbox_size) && mailbox.size <= ID_BYTES) {
        memcpy(device->mailbox, mailbox.data, mailbox.size);
        device->mailbox_size = mailbox.size;
        device->pos = 0;
    }
    device->to_ack = pos < device->pos; /* an ack was lost */
    if (pos > device->pos)
        device->pos = pos;
}

/* Messages */

static struct line *line_of(struct connection *connection, const struct conversation *conversation)
{
    struct device *device = connection->state;
    for (uint32_t i = 0; i < connection->person->count; i++)
        if (connection->person->conversations[i] == conversation)
            return &device->lines[i];
    failed(connection, "writes in a conversation that is not its own");
}

static void new_msg_id(uint8_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at = put_big(at, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, 6);
    at = put_big(at, 0x7000 | (random_bits() & 0xfff), 2);
    put_big(at, UINT64_C(2) << 62 | random_bits() >> 2, 8);
}

static void send_message_frame(struct connection *connection, struct conversation *conversation, uint32_t ticket,
                               uint64_t number, const char *body, size_t size)
{
    static uint8_t *frame;
    static size_t room;
    struct line *line = line_of(connection, conversation);
    uint8_t msg_id[ID_BYTES], *at;
    (void)number;
    if (room < size + SMALL && (frame = realloc(frame, room = size + SMALL)) == NULL)
        abort();
    new_msg_id(msg_id);
    at = put_name(put_array(frame, 9), "send");
    at = put_bytes(put_integer(at, ticket), msg_id, ID_BYTES);
    at = put_text(at, conversation->id, conversation->id_size);
    at = put_integer(put_integer(at, conversation->epoch), conversation->devices);
    at = line->has_prev ? put_bytes(at, line->prev, ID_BYTES) : put_nil(at);
    at = put_bytes(at, body, size);
    *(at - size) = MEGOLM;
    send_frame(connection, frame, put_array(at, 0));
    memcpy(line->prev, msg_id, ID_BYTES);
    line->has_prev = true;
    line->asked++;
}

static void tell_receipts(struct connection *connection, struct line *line)
{
    while (line->count && line->waiting[line->first].seq <= line->delivered) {
        uint32_t ticket = line->waiting[line->first].ticket;
        line->first = (line->first + 1) & (line->room - 1);
        line->count--;
        receipt(connection, ticket);
    }
}

static void wait_for_receipt(struct line *line, uint64_t seq, uint32_t ticket)
{
    if (line->count == line->room) {
        uint32_t room = line->room ? 2 * line->room : 4;
        struct waiting *waiting = malloc(room * sizeof *waiting);
        if (waiting == NULL)
            abort();
        for (uint32_t i = 0; i < line->count; i++)
            waiting[i] = line->waiting[(line->first + i) & (line->room - 1)];
        free(line->waiting);
        line->waiting = waiting;
        line->room = room;
        line->first = 0;
    }
    line->waiting[(line->first + line->count++) & (line->room - 1)] = (struct waiting){seq, ticket};
}

static void on_sent(struct connection *connection, struct reader *reader)
{
    uint32_t ticket = (uint32_t)read_integer(reader);
    uint64_t seq = read_integer(reader);
    struct conversation *conversation = conversation_of(ticket);
    struct line *line = line_of(connection, conversation);
    line->asked--;
    if (!conversation->group) {
        wait_for_receipt(line, seq, ticket);
        stored(connection, ticket);
        tell_receipts(connection, line);
    } else {
        stored(connection, ticket);
    }
}

static void on_marks(struct connection *connection, struct reader *reader)
{
    struct device *device = connection->state;
    struct person *person = connection->person;
    struct bytes id = read_bytes(reader), account = read_bytes(reader);
    read_past(reader); /* since */
    uint64_t delivered = read_integer(reader);
    read_past(reader); /* read */
    read_past(reader); /* expired */
    uint64_t time = read_integer(reader);
    if (time > device->marks_since)
        device->marks_since = time;
    if (equals(account, person->account, strlen(person->account)))
        return;
    for (uint32_t i = 0; i < person->count; i++) {
        struct conversation *conversation = person->conversations[i];
        if (conversation->group || !equals(id, conversation->id, conversation->id_size))
            continue;
        struct line *line = &device->lines[i];
        if (delivered > line->delivered)
            line->delivered = delivered;
        tell_receipts(connection, line);
        return;
    }
}

static void take_entry(struct connection *connection, struct reader *reader)
{
    struct device *device = connection->state;
    uint64_t pos = read_integer(reader);
    if (pos != device->pos + 1 && !reader->wrong)
        failed(connection, "got position %llu after %llu", (unsigned long long)pos, (unsigned long long)device->pos);
    device->pos = pos;
    device->to_ack = true;
}

static void on_message(struct connection *connection, struct reader *reader)
{
    take_entry(connection, reader);
    for (int i = 0; i < 6; i++)
        read_past(reader); /* seq, conversation, sender, device, msg_id, time */
    struct bytes ciphertext = read_bytes(reader);
    if (!reader->wrong)
        arrived(connection, ciphertext.data, ciphertext.size);
}

/* This process does not know what an earlier one has sent in its place: the server tells, and it sends again. All that
 * was sent behind the first one is refused, too. */
static void on_out_of_order(struct connection *connection, struct bytes last, uint32_t ticket)
{
    struct line *line = line_of(connection, conversation_of(ticket));
    line->asked--;
    if (line->stale > 0) {
        line->stale--;
    } else {
        line->stale = line->asked;
        line->has_prev = last.size == ID_BYTES;
        memcpy(line->prev, last.data, line->has_prev ? ID_BYTES : 0);
    }
    send_again(connection, ticket);
}

static void on_refused(struct connection *connection, struct reader *reader)
{
    uint32_t ticket = (uint32_t)read_integer(reader);
    uint32_t fields = read_array(reader);
    struct bytes code = read_bytes(reader);
    if (equals(code, "OUT_OF_ORDER", 12) && fields > 1)
        on_out_of_order(connection, read_bytes(reader), ticket);
    else
        failed(connection, "was refused: %.*s", (int)code.size, code.data);
}

static void on_frame(struct connection *connection, uint8_t *data, size_t size)
{
    struct reader reader = {data, data + size, false};
    read_array(&reader);
    struct bytes tag = read_bytes(&reader);
#define IS(name) equals(tag, name, sizeof name - 1)
    if (IS("message"))
        on_message(connection, &reader);
    else if (IS("marks"))
        on_marks(connection, &reader);
    else if (IS("sent"))
        on_sent(connection, &reader);
    else if (IS("typing"))
        signalled(connection, TYPING);
    else if (IS("presence"))
        signalled(connection, PRESENCE);
    else if (IS("challenge"))
        on_challenge(connection, &reader);
    else if (IS("ready"))
        on_ready(connection, &reader);
    else if (IS("caught_up"))
        signed_in(connection);
    else if (IS("refused"))
        on_refused(connection, &reader);
    else if (IS("key_share") || IS("gap"))
        take_entry(connection, &reader);
#undef IS
    if (reader.wrong)
        failed(connection, "got a frame that it cannot read: %.*s", (int)tag.size, tag.data);
}

static void on_read_through(struct connection *connection)
{
    struct device *device = connection->state;
    uint8_t frame[SMALL], *at;
    if (!device->to_ack)
        return;
    device->to_ack = false;
    at = put_integer(put_name(put_array(frame, 4), "ack"), device->pos);
    send_frame(connection, frame, put_array(put_array(at, 0), 0));
}

/* What else a person does */

static void typing(struct connection *connection, struct conversation *conversation, bool active)
{
    uint8_t frame[SMALL], *at = put_name(put_array(frame, 3), "set_typing");
    at = put_text(at, conversation->id, conversation->id_size);
    send_frame(connection, frame, put_bool(at, active));
}

static void presence(struct connection *connection, bool here)
{
    uint8_t frame[SMALL];
    send_frame(connection, frame, put_bool(put_name(put_array(frame, 2), "set_presence"), here));
}

/* Watch the others of these conversations, but no more than a list may have. */
static void watch(struct connection *connection, struct conversation **conversations, uint32_t count)
{
    enum { MOST = 100, NAME = 82 };
    uint8_t frame[SMALL + MOST * NAME], *at;
    const char *accounts[MOST];
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < conversations[i]->count && found < MOST; j++)
            if (conversations[i]->members[j] != connection->person->number)
                accounts[found++] = person(conversations[i]->members[j])->account;
    at = put_array(put_name(put_array(frame, 2), "watch"), found);
    for (uint32_t i = 0; i < found; i++)
        at = put_name(at, accounts[i]);
    send_frame(connection, frame, at);
}

/* Connection */

static void on_opened(struct connection *connection) { (void)connection; /* the server speaks first */ }

static const struct websocket_user user = {on_opened, on_frame};

static void connected(struct connection *connection)
{
    struct device *device = connection->state;
    if (device->lines == NULL) {
        device->lines = calloc(connection->person->count + 1, sizeof *device->lines);
        if (device->lines == NULL)
            abort();
    }
    websocket_connect(connection, &device->websocket, "/v1/socket", "tidings.v1.msgpack");
}

static size_t received(struct connection *connection, uint8_t *data, size_t size)
{
    struct device *device = connection->state;
    return websocket_received(connection, &device->websocket, &user, data, size);
}

static void leave(struct connection *connection) { websocket_send(connection, CLOSE, "\x03\xe8", 2); }

static void forget(struct connection *connection)
{
    struct device *device = connection->state;
    for (uint32_t i = 0; device->lines && i < connection->person->count; i++)
        free(device->lines[i].waiting);
    free(device->lines);
}

const struct protocol tidings = {
    .name = "tidings",
    .state_size = sizeof(struct device),
    .connected = connected,
    .received = received,
    .read_through = on_read_through,
    .send = send_message_frame,
    .typing = typing,
    .presence = presence,
    .watch = watch,
    .leave = leave,
    .forget = forget,
};
