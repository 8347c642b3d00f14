/* What a protocol does for the load generator, and what it may ask of the core.
 *
 * The core owns connections, buffers, time and figures; a workload (workload.h) decides who sends what and when; a
 * protocol turns that into the bytes of one kind of server, and what the server says into the calls below. It keeps
 * no clock, makes no system call and never waits. Everything runs on one thread.
 *
 * To add a protocol: write a file with a `const struct protocol`, name it in `protocols` (main.c). `make` finds the
 * file by itself.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A conversation of the people file. `members` are numbers of people; the first is who sends in most workloads. */
struct conversation {
    const char *id; /* Tidings: `!uuid:server`. XMPP: the room's JID; of a pair nothing is asked but to be unique */
    size_t id_size;
    bool group; /* more than a pair: an XMPP room */
    uint64_t epoch, devices; /* Tidings: what a Send must name; 0 elsewhere */
    uint32_t number; /* its place in the file */
    uint32_t count;
    uint32_t *members;
};

/* A person with one device, from the people file. */
struct person {
    const char *account; /* Tidings: `@uuid:server`. XMPP: the bare JID */
    const char *device; /* Tidings: the device's id. XMPP: the resource */
    const char *secret; /* Tidings: the Ed25519 seed, 64 hex digits. XMPP: the password */
    uint32_t number; /* its place in the file */
    uint32_t count;
    struct conversation **conversations; /* in the order of the file */
};

/* The connection of a person: one for each, kept when the server ends it and used again to come back. */
struct connection {
    struct person *person;
    void *state; /* `state_size` bytes of the protocol's, zero at first, kept over reconnects */
    bool signed_in;

    /* What follows is of the core. */
    bool connecting, leaving;
    bool marked; /* has something to write, this turn */
    bool waits; /* has something to write as soon as the socket takes more */
    int fd; /* -1: none */
    int64_t began; /* when it began to connect */
    uint32_t arrived; /* messages since then */
    struct buffer {
        uint8_t *data;
        size_t size, room;
    } in, out;
};

/* A signal: what is shown now or never, and is not stored. */
enum signal { TYPING, PRESENCE };

struct protocol {
    const char *name; /* for --protocol */
    size_t state_size;

    /* The connection stands (anew: forget what belonged to the one before). Open the dialogue; sign in, join the
     * rooms of `person->conversations`, and take what waits as far as the protocol has an end to that; then call
     * `signed_in`. */
    void (*connected)(struct connection *);

    /* Bytes came: all that were not used before, and new ones behind them. Return how many were used. They may be
     * written to (to decode in place). */
    size_t (*received)(struct connection *, uint8_t *data, size_t size);

    /* All that one read of the socket brought has been used: say now what a real device says once for all of it (an
     * ack). May be NULL. */
    void (*read_through)(struct connection *);

    /* Send a message. `ticket` comes back in `stored` and `receipt`, and is used again after that; `number` is unique in
     * a run. Every byte of `body` arrives at the members, but for the first, which means nothing and may be replaced.
     * It is ASCII without `<`, `>`, `&`, quotes and control characters. */
    void (*send)(struct connection *, struct conversation *, uint32_t ticket, uint64_t number, const char *body,
                 size_t size);

    /* The person types, or has stopped. */
    void (*typing)(struct connection *, struct conversation *, bool active);

    /* The person is here, or has turned away. */
    void (*presence)(struct connection *, bool here);

    /* Ask for the presence of the other members of these conversations, if the protocol has such a thing. */
    void (*watch)(struct connection *, struct conversation **, uint32_t count);

    /* Say goodbye in the protocol's way; the core closes the connection when that is written. May be NULL. */
    void (*leave)(struct connection *);

    /* Free what `state` points to, at the end. May be NULL. */
    void (*forget)(struct connection *);
};

/* What a protocol tells the core. */

/* The person is signed in, and what waited was taken as far as the protocol can tell. */
void signed_in(struct connection *);
/* The server has the message (one tick), as durably as it ever will. Where the protocol has no answer that says so,
 * use one that shows that the server is through with it. Before `receipt`; none is needed if `receipt` follows. */
void stored(struct connection *, uint32_t ticket);
/* The receipt is back at the sender: of a pair, the other's device has the message. Not called for groups, where
 * `stored` is all that a sender waits for (XMPP: the room's copy to the sender, which is not reported as arrived). */
void receipt(struct connection *, uint32_t ticket);
/* The server refused a message and stored nothing, and says what would be right: `send` is called for it once more. */
void send_again(struct connection *, uint32_t ticket);
/* A message of somebody else has come; `body` is what `send` was given. */
void arrived(struct connection *, const char *body, size_t size);
/* A signal of somebody else has come. */
void signalled(struct connection *, enum signal);
/* The run cannot be believed any more: say why (as printf) and end it. */
_Noreturn void failed(struct connection *, const char *reason, ...) __attribute__((format(printf, 2, 3)));
/* The server has ended the connection, as it may when it goes down. (A lost TCP connection is seen by the core.) */
void ended(struct connection *, const char *reason);

/* What a protocol may use. */

/* Put bytes behind those to be written; all is written at the end of this turn of the loop. */
void say(struct connection *, const void *data, size_t size);
/* The same without a copy: room for `size` bytes, of which `said` then takes those that were used. */
uint8_t *room_to_say(struct connection *, size_t size);
void said(struct connection *, size_t size);
/* The same for a protocol that must know to which host name and port it speaks (an HTTP request, a stream). */
const char *host(void);   /* --host, or the address of --to */
const char *target(void); /* ADDRESS:PORT, as --to gave it */
/* For every ticket that has not come back: the conversation that it was sent in. */
struct conversation *conversation_of(uint32_t ticket);
/* A person of the file, such as a member of a conversation; whether or not it connects from this process. */
const struct person *person(uint32_t number);
/* In a conversation of two: the other one. */
const struct person *other(const struct connection *, const struct conversation *);
/* Random bits, good enough for keys of masks and for names. */
uint64_t random_bits(void);

#endif
