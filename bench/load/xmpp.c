/* XMPP as a plain client speaks it: over TCP (RFC 6120), and over WebSocket with a stanza in each message (RFC 7395).
 *
 * A message asks for a receipt (XEP-0184), and who gets it answers. Where nobody can answer, because the receiver is
 * absent, a ping of the server (XEP-0199) behind the messages shows that it is through with them: a server handles what
 * one client sends in order. One ping is under way at a time, and stands for all messages before it.
 */
#include <ctype.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "websocket.h"
#include "workload.h"
#include "xmpp_stream.h"

#define MOST_STANZA 131072
#define MOST_NAME 512
#define SASL "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define FRAMING "xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
#define CHAT_STATES "http://jabber.org/protocol/chatstates"

struct state {
    struct websocket websocket;
    struct splitter splitter;
    bool over_websocket, authenticated, present;
    uint32_t rooms, contacts; /* that have not answered yet */
    struct tickets { /* messages to those who are absent */
        uint32_t *ticket, count, room;
        uint32_t pinged; /* how many of them the ping that is under way stands for */
    } tickets;
};

static bool works(const char *workload) { return strcmp(options.workload->name, workload) == 0; }
static struct state *state_of(const struct connection *connection) { return connection->state; }

/* Say a stanza, made as printf does. */
static void tell(struct connection *, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct connection *connection, const char *format, ...)
{
    static char text[MOST_STANZA];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0 || size >= MOST_STANZA)
        failed(connection, "a stanza of %d bytes is too large", size);
    if (state_of(connection)->over_websocket)
        websocket_send(connection, TEXT, text, (size_t)size);
    else
        say(connection, text, (size_t)size);
}

/* What every stanza must say over WebSocket, where no stream says it once for all. */
static const char *space(const struct connection *connection)
{
    return state_of(connection)->over_websocket ? " xmlns='jabber:client'" : "";
}

static int local_size(const struct person *person) { return (int)strcspn(person->account, "@"); }

static const char *domain(const struct person *person) { return person->account + local_size(person) + 1; }

static void open_stream(struct connection *connection)
{
    const char *to = domain(connection->person);
    state_of(connection)->splitter = (struct splitter){0, 0};
    if (state_of(connection)->over_websocket)
        tell(connection, "<open " FRAMING " to='%s' version='1.0'/>", to);
    else
        tell(connection,
             "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' "
             "xmlns:stream='http://etherx.jabber.org/streams'>",
             to);
}

static void authenticate(struct connection *connection)
{
    const struct person *person = connection->person;
    char plain[MOST_NAME], encoded[2 * MOST_NAME];
    int size = snprintf(plain, sizeof plain, "%c%.*s%c%s", 0, local_size(person), person->account, 0, person->secret);
    if (size >= MOST_NAME)
        failed(connection, "the name or the password is too long");
    EVP_EncodeBlock((uint8_t *)encoded, (uint8_t *)plain, size);
    tell(connection, "<auth " SASL " mechanism='PLAIN'>%s</auth>", encoded);
}

static void bind_resource(struct connection *connection)
{
    tell(connection,
         "<iq type='set' id='bind'%s><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>",
         space(connection), connection->person->device);
}

static void ping(struct connection *connection, const char *id)
{
    tell(connection, "<iq type='get' id='%s' to='%s'%s><ping xmlns='urn:xmpp:ping'/></iq>", id,
         domain(connection->person), space(connection));
}

/* What contacts did long ago. It is done when the presence of the other comes, who must sign in at the same time. */
static void subscribe_to(struct connection *connection, const struct conversation *pair)
{
    state_of(connection)->contacts++;
    tell(connection, "<presence to='%s' type='subscribe'%s/>", other(connection, pair)->account, space(connection));
}

/* Be present, in the rooms too; messages that waited come before the answer to the ping. */
static void appear(struct connection *connection)
{
    struct person *person = connection->person;
    struct state *state = state_of(connection);
    tell(connection, "<presence%s/>", space(connection));
    for (uint32_t i = 0; i < person->count; i++) {
        if (!person->conversations[i]->group) {
            if (works("day"))
                subscribe_to(connection, person->conversations[i]);
            continue;
        }
        state->rooms++;
        tell(connection,
             "<presence to='%s/%.*s'%s><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
             person->conversations[i]->id, local_size(person), person->account, space(connection));
    }
    ping(connection, "present");
}

static void see_whether_all_is_done(struct connection *connection)
{
    struct state *state = state_of(connection);
    if (state->present && state->rooms == 0 && state->contacts == 0)
        signed_in(connection);
}

static void on_features(struct connection *connection, const struct stanza *stanza)
{
    if (state_of(connection)->authenticated)
        bind_resource(connection);
    else if (has(stanza, "<mechanism>PLAIN<"))
        authenticate(connection);
    else
        failed(connection, "the server does not offer PLAIN: %.*s", (int)stanza->whole.size, stanza->whole.at);
}

/* The server is through with the messages that the ping stands for; ask anew if there are others by now. */
static void on_pong(struct connection *connection)
{
    struct tickets *tickets = &state_of(connection)->tickets;
    uint32_t through = tickets->pinged;
    for (uint32_t i = 0; i < through; i++)
        stored(connection, tickets->ticket[i]); /* which may send, and so move the array */
    tickets->count -= through;
    memmove(tickets->ticket, tickets->ticket + through, tickets->count * sizeof *tickets->ticket);
    tickets->pinged = tickets->count;
    if (tickets->pinged)
        ping(connection, "through");
}

static void await(struct connection *connection, uint32_t ticket)
{
    struct tickets *tickets = &state_of(connection)->tickets;
    if (tickets->count == tickets->room) {
        tickets->room = tickets->room ? 2 * tickets->room : 16;
        tickets->ticket = realloc(tickets->ticket, tickets->room * sizeof *tickets->ticket);
        if (tickets->ticket == NULL)
            abort();
    }
    tickets->ticket[tickets->count++] = ticket;
    if (tickets->pinged == 0) {
        tickets->pinged = tickets->count;
        ping(connection, "through");
    }
}

static void on_iq(struct connection *connection, const struct stanza *stanza)
{
    if (equals(stanza->type, "get") || equals(stanza->type, "set")) { /* a push of the roster, a ping */
        tell(connection, "<iq type='result' id='%.*s'%s/>", (int)stanza->id.size, stanza->id.at, space(connection));
        return;
    }
    if (!equals(stanza->type, "result"))
        failed(connection, "%.*s", (int)stanza->whole.size, stanza->whole.at);
    if (equals(stanza->id, "bind")) {
        appear(connection);
    } else if (equals(stanza->id, "present")) {
        state_of(connection)->present = true;
        see_whether_all_is_done(connection);
    } else if (equals(stanza->id, "through")) {
        on_pong(connection);
    }
}

static void on_presence(struct connection *connection, const struct stanza *stanza)
{
    if (equals(stanza->type, "error"))
        failed(connection, "%.*s", (int)stanza->whole.size, stanza->whole.at);
    if (has(stanza, "http://jabber.org/protocol/muc#user")) {
        if (has(stanza, "'110'") || has(stanza, "\"110\"")) { /* it is in the room now */
            state_of(connection)->rooms -= state_of(connection)->rooms > 0;
            see_whether_all_is_done(connection);
        }
        return;
    }
    size_t own = strlen(connection->person->account);
    if (stanza->from.size >= own && memcmp(stanza->from.at, connection->person->account, own) == 0)
        return;
    if (equals(stanza->type, "subscribe"))
        tell(connection, "<presence to='%.*s' type='subscribed'%s/>", (int)stanza->from.size, stanza->from.at,
             space(connection));
    else if (stanza->type.at == NULL || equals(stanza->type, "unavailable"))
        signalled(connection, PRESENCE);
    if (stanza->type.at == NULL && state_of(connection)->contacts > 0) {
        state_of(connection)->contacts--;
        see_whether_all_is_done(connection);
    }
}

/* Return the ticket that an id is; false if it is none. */
static bool ticket_of(struct text id, uint32_t *ticket)
{
    *ticket = 0;
    for (size_t i = 0; i < id.size; i++) {
        if (!isdigit((unsigned char)id.at[i]))
            return false;
        *ticket = 10 * *ticket + (uint32_t)(id.at[i] - '0');
    }
    return id.size > 0;
}

/* In a room, people go by the first part of their address. */
static bool is_own_copy(const struct connection *connection, struct text from)
{
    const char *slash = memchr(from.at, '/', from.size);
    size_t size = (size_t)local_size(connection->person), nick = (size_t)(from.at + from.size - slash - 1);
    return nick == size && memcmp(slash + 1, connection->person->account, size) == 0;
}

static void on_group_message(struct connection *connection, const struct stanza *stanza)
{
    uint32_t ticket;
    if (stanza->from.at == NULL || memchr(stanza->from.at, '/', stanza->from.size) == NULL)
        return; /* the room itself says something */
    struct text body = text_of(stanza, "<body");
    if (is_own_copy(connection, stanza->from)) {
        if (body.at && ticket_of(stanza->id, &ticket))
            stored(connection, ticket);
    } else if (body.at) {
        arrived(connection, body.at, body.size);
    } else if (has(stanza, CHAT_STATES)) {
        signalled(connection, TYPING);
    }
}

static void on_message(struct connection *connection, const struct stanza *stanza)
{
    uint32_t ticket;
    if (equals(stanza->type, "error")) {
        if (ticket_of(stanza->id, &ticket))
            failed(connection, "%.*s", (int)stanza->whole.size, stanza->whole.at);
        return; /* a receipt or a signal for somebody who has gone */
    }
    if (equals(stanza->type, "groupchat")) {
        on_group_message(connection, stanza);
        return;
    }
    struct text body = text_of(stanza, "<body");
    if (body.at) {
        if (has(stanza, "<request"))
            tell(connection, "<message to='%.*s'%s><received xmlns='urn:xmpp:receipts' id='%.*s'/></message>",
                 (int)stanza->from.size, stanza->from.at, space(connection), (int)stanza->id.size, stanza->id.at);
        arrived(connection, body.at, body.size);
    } else if (ticket_of(attribute_of(stanza, "<received", "id"), &ticket)) {
        receipt(connection, ticket);
    } else if (has(stanza, CHAT_STATES)) {
        signalled(connection, TYPING);
    }
}

static void on_stanza(struct connection *connection, const char *data, size_t size)
{
    struct stanza stanza = read_stanza(data, size);
    if (equals(stanza.name, "message")) {
        on_message(connection, &stanza);
    } else if (equals(stanza.name, "presence")) {
        on_presence(connection, &stanza);
    } else if (equals(stanza.name, "iq")) {
        on_iq(connection, &stanza);
    } else if (equals(stanza.name, "stream:features") || equals(stanza.name, "features")) {
        on_features(connection, &stanza);
    } else if (equals(stanza.name, "success")) {
        state_of(connection)->authenticated = true;
        open_stream(connection);
    } else if (equals(stanza.name, "failure")) {
        failed(connection, "%.*s", (int)size, data);
    } else if (equals(stanza.name, "stream:error") || equals(stanza.name, "/stream:stream") ||
               equals(stanza.name, "close")) {
        char reason[256];
        snprintf(reason, sizeof reason, "%.*s", (int)size, data);
        ended(connection, reason);
    }
}

/* Forget what belonged to the connection before. */
static struct state *begin_anew(struct connection *connection, bool over_websocket)
{
    struct state *state = state_of(connection);
    struct tickets tickets = {.ticket = state->tickets.ticket, .room = state->tickets.room};
    *state = (struct state){.over_websocket = over_websocket, .tickets = tickets};
    return state;
}

static void connected(struct connection *connection)
{
    begin_anew(connection, false);
    open_stream(connection);
}

static size_t received(struct connection *connection, uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t used = 0, stanza;
    while (connection->fd >= 0 && next_stanza(&state_of(connection)->splitter, text + used, size - used, &stanza)) {
        on_stanza(connection, text + used, stanza);
        used += stanza;
    }
    return used;
}

static void connected_over_websocket(struct connection *connection)
{
    websocket_connect(connection, &begin_anew(connection, true)->websocket, "/ws", "xmpp");
}

static void message_came(struct connection *connection, uint8_t *data, size_t size)
{
    on_stanza(connection, (const char *)data, size);
}

static size_t received_over_websocket(struct connection *connection, uint8_t *data, size_t size)
{
    static const struct websocket_user user = {open_stream, message_came};
    return websocket_received(connection, &state_of(connection)->websocket, &user, data, size);
}

static void send_message_to(struct connection *connection, struct conversation *conversation, uint32_t ticket,
                            uint64_t number, const char *body, size_t size)
{
    (void)number;
    bool absent = works("fill");
    tell(connection, "<message to='%s' type='%s' id='%u'%s><body>%.*s</body>%s</message>",
         conversation->group ? conversation->id : other(connection, conversation)->account,
         conversation->group ? "groupchat" : "chat", ticket, space(connection), (int)size, body,
         conversation->group || absent ? "" : "<request xmlns='urn:xmpp:receipts'/>");
    if (absent)
        await(connection, ticket);
}

static void typing(struct connection *connection, struct conversation *conversation, bool active)
{
    tell(connection, "<message to='%s' type='%s'%s><%s xmlns='" CHAT_STATES "'/></message>",
         conversation->group ? conversation->id : other(connection, conversation)->account,
         conversation->group ? "groupchat" : "chat", space(connection), active ? "composing" : "paused");
}

static void presence(struct connection *connection, bool here)
{
    tell(connection, "<presence%s>%s</presence>", space(connection), here ? "" : "<show>away</show>");
}

/* Presence is a matter of subscriptions, which were made at the sign-in. */
static void watch(struct connection *connection, struct conversation **watched, uint32_t count)
{
    (void)connection, (void)watched, (void)count;
}

static void leave(struct connection *connection)
{
    tell(connection, "<presence type='unavailable'%s/>", space(connection));
    tell(connection, "%s", state_of(connection)->over_websocket ? "<close " FRAMING "/>" : "</stream:stream>");
}

static void forget(struct connection *connection) { free(state_of(connection)->tickets.ticket); }

#define BOTH                                                                                                           \
    .state_size = sizeof(struct state), .send = send_message_to, .typing = typing, .presence = presence,               \
    .watch = watch, .leave = leave, .forget = forget

const struct protocol xmpp = {.name = "xmpp", .connected = connected, .received = received, BOTH};

const struct protocol xmpp_websocket = {
    .name = "xmpp-websocket",
    .connected = connected_over_websocket,
    .received = received_over_websocket,
    BOTH,
};
