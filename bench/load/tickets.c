/* Messages under way, and the bodies that they have. */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define NUMBER_AT 1 /* the first byte belongs to the protocol */
#define DUE_AT 18
#define LEAST 36

static struct ticket *tickets;
static uint32_t room, unused = UINT32_MAX;
uint32_t under_way;

static void make_room(void)
{
    uint32_t more = room ? 2 * room : 1024;
    tickets = realloc(tickets, more * sizeof *tickets);
    if (tickets == NULL)
        abort();
    for (uint32_t i = room; i < more; i++)
        tickets[i].next = i + 1 < more ? i + 1 : UINT32_MAX;
    unused = room;
    room = more;
}

void return_ticket(uint32_t ticket)
{
    tickets[ticket].place.connection = NULL;
    tickets[ticket].next = unused;
    unused = ticket;
    under_way--;
}

struct conversation *conversation_of(uint32_t ticket)
{
    if (ticket >= room || tickets[ticket].place.connection == NULL)
        failed(NULL, "the server answered a message that was not sent (%u)", ticket);
    return tickets[ticket].place.conversation;
}

static void write_hex(char *at, uint64_t value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
        at[i] = "0123456789abcdef"[value & 15];
}

static bool read_hex(const char *at, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < 16; i++) {
        unsigned digit = (unsigned char)at[i];
        if (digit - '0' < 10u)
            digit -= '0';
        else if (digit - 'a' < 6u)
            digit -= 'a' - 10;
        else
            return false;
        *value = *value << 4 | digit;
    }
    return true;
}

/* Return a body that says which message this is and when it was due, so that who gets it can tell. */
static const char *body_of(uint64_t number, int64_t due)
{
    static char *body;
    if (body == NULL) {
        body = malloc(options.bytes);
        if (body == NULL)
            abort();
        for (size_t i = 0; i < options.bytes; i++)
            body[i] = (char)('a' + i % 26);
        body[NUMBER_AT + 16] = body[DUE_AT + 16] = ' ';
    }
    write_hex(body + NUMBER_AT, number);
    write_hex(body + DUE_AT, (uint64_t)due);
    return body;
}

uint64_t next_number(void)
{
    static uint64_t made;
    return made++ * options.parts + options.part;
}

static void hand_over(uint32_t ticket)
{
    const struct ticket *message = &tickets[ticket];
    const char *body = body_of(message->number, message->started);
    options.protocol->send(message->place.connection, message->place.conversation, ticket, message->number, body,
                           options.bytes);
}

void send_message(struct place place, uint64_t number, int64_t due)
{
    if (unused == UINT32_MAX)
        make_room();
    uint32_t ticket = unused;
    unused = tickets[ticket].next;
    tickets[ticket] = (struct ticket){number, due, place, 0};
    under_way++;
    hand_over(ticket);
}

static struct ticket *taken(struct connection *connection, uint32_t ticket)
{
    if (ticket >= room || tickets[ticket].place.connection != connection)
        failed(connection, "the server answered a message that was not sent (%u)", ticket);
    return &tickets[ticket];
}

void stored(struct connection *connection, uint32_t ticket)
{
    struct ticket *message = taken(connection, ticket);
    if (options.workload->stored)
        options.workload->stored(connection, ticket, message);
}

void send_again(struct connection *connection, uint32_t ticket)
{
    taken(connection, ticket);
    hand_over(ticket);
}

void receipt(struct connection *connection, uint32_t ticket)
{
    if (options.workload->receipt)
        options.workload->receipt(connection, ticket, taken(connection, ticket), clock_now());
}

void arrived(struct connection *connection, const char *body, size_t size)
{
    uint64_t number, due;
    if (size < LEAST || !read_hex(body + NUMBER_AT, &number) || !read_hex(body + DUE_AT, &due))
        failed(connection, "a message arrived that was not sent by a benchmark");
    if (size != options.bytes)
        failed(connection, "a message of %zu bytes arrived as one of %zu", options.bytes, size);
    connection->arrived++;
    if (options.workload->arrived)
        options.workload->arrived(connection, number, (int64_t)due, clock_now());
}

void signalled(struct connection *connection, enum signal signal)
{
    if (options.workload->signalled)
        options.workload->signalled(connection, signal);
}
