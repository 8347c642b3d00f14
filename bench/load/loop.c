/* Connections, their buffers, and the one loop that serves them. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

#define READ_BYTES 65536 /* what a device reads at once */
#define EVENTS 512

static int poller;
static struct sockaddr_in server;
static struct connection **to_write; /* those that have something to write */
static uint32_t to_write_count;
static uint8_t *reading; /* what was left of a connection, and what is read of it */
static size_t reading_room = READ_BYTES;
bool stdin_ended;

int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

uint64_t random_bits(void)
{
    static uint64_t state; /* splitmix64 */
    if (state == 0 && getrandom(&state, sizeof state, 0) != sizeof state)
        abort();
    uint64_t bits = state += 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

const char *target(void) { return options.target; }

const char *host(void)
{
    static char address[64];
    if (options.host)
        return options.host;
    if (address[0] == 0)
        inet_ntop(AF_INET, &server.sin_addr, address, sizeof address);
    return address;
}

_Noreturn void failed(struct connection *connection, const char *reason, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(text, sizeof text, reason, arguments);
    va_end(arguments);
    json_begin("failed");
    if (connection)
        json_text("account", connection->person->account);
    json_text("reason", text);
    json_end();
    exit(1);
}

void loop_start(void)
{
    char address[64] = "";
    const char *colon = strrchr(options.target, ':');
    if (colon == NULL || (size_t)(colon - options.target) >= sizeof address)
        failed(NULL, "--to wants ADDRESS:PORT");
    memcpy(address, options.target, (size_t)(colon - options.target));
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    if (inet_pton(AF_INET, address, &server.sin_addr) != 1)
        failed(NULL, "--to wants an IPv4 address");
    poller = epoll_create1(EPOLL_CLOEXEC);
    reading = malloc(reading_room);
    to_write = malloc((people_count + 1) * sizeof *to_write);
    if (poller < 0 || reading == NULL || to_write == NULL)
        abort();
}

void loop_listen_to_stdin(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0 && errno != EPERM)
        failed(NULL, "stdin: %s", strerror(errno));
}

static void wants(struct connection *connection, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(poller, how, connection->fd, &event) < 0)
        failed(connection, "epoll: %s", strerror(errno));
}

void open_connection(struct connection *connection)
{
    connection->began = clock_now();
    connection->arrived = 0;
    connection->in.size = connection->out.size = 0;
    connection->waits = false;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        failed(connection, "socket: %s", strerror(errno));
    int yes = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + connection->person->number % options.addresses);
    if (bind(connection->fd, (struct sockaddr *)&from, sizeof from) < 0)
        failed(connection, "bind: %s", strerror(errno));
    connection->connecting = true;
    wants(connection, EPOLLOUT, EPOLL_CTL_ADD);
    if (connect(connection->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        failed(connection, "connect: %s", strerror(errno));
}

/* Both may be called while bytes of the connection are being handled. */
void cut(struct connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    connection->signed_in = connection->connecting = false;
}

void ended(struct connection *connection, const char *reason)
{
    bool was_signed_in = connection->signed_in;
    cut(connection);
    lost(connection, was_signed_in, reason);
}

uint8_t *room_to_say(struct connection *connection, size_t size)
{
    struct buffer *out = &connection->out;
    if (out->size + size > out->room) {
        out->room = 2 * (out->size + size);
        out->data = realloc(out->data, out->room);
        if (out->data == NULL)
            abort();
    }
    return out->data + out->size;
}

void said(struct connection *connection, size_t size)
{
    connection->out.size += size;
    if (!connection->marked && !connection->waits) {
        connection->marked = true;
        to_write[to_write_count++] = connection;
    }
}

void say(struct connection *connection, const void *data, size_t size)
{
    memcpy(room_to_say(connection, size), data, size);
    said(connection, size);
}

/* Write what goes; if something stays, wait until the socket takes more. */
static void write_out(struct connection *connection)
{
    struct buffer *out = &connection->out;
    if (connection->fd < 0 || connection->connecting || out->size == 0)
        return;
    ssize_t sent = send(connection->fd, out->data, out->size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        ended(connection, strerror(errno));
        return;
    }
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    memmove(out->data, out->data + taken, out->size - taken);
    out->size -= taken;
    if ((out->size > 0) != connection->waits) {
        connection->waits = out->size > 0;
        wants(connection, connection->waits ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void write_all(void)
{
    for (uint32_t i = 0; i < to_write_count; i++) {
        to_write[i]->marked = false;
        write_out(to_write[i]);
        if (to_write[i]->leaving && !to_write[i]->waits)
            cut(to_write[i]);
    }
    to_write_count = 0;
}

static void keep(struct connection *connection, const uint8_t *data, size_t size)
{
    struct buffer *in = &connection->in;
    if (size > in->room) {
        in->data = realloc(in->data, in->room = 2 * size);
        if (in->data == NULL)
            abort();
    }
    memcpy(in->data, data, size);
    in->size = size;
}

static void read_in(struct connection *connection)
{
    size_t left = connection->in.size;
    if (left + READ_BYTES > reading_room) {
        reading = realloc(reading, reading_room = left + READ_BYTES);
        if (reading == NULL)
            abort();
    }
    if (left)
        memcpy(reading, connection->in.data, left);
    connection->in.size = 0;
    ssize_t came = recv(connection->fd, reading + left, READ_BYTES, 0);
    if (came < 0 && errno == EAGAIN)
        came = 0;
    else if (came <= 0) {
        ended(connection, came ? strerror(errno) : "the server closed the connection");
        return;
    }
    size_t used = options.protocol->received(connection, reading, left + (size_t)came);
    if (connection->fd < 0)
        return;
    if (used < left + (size_t)came)
        keep(connection, reading + used, left + (size_t)came - used);
    if (options.protocol->read_through)
        options.protocol->read_through(connection);
}

static void has_connected(struct connection *connection)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        ended(connection, strerror(error));
        return;
    }
    connection->connecting = false;
    wants(connection, EPOLLIN, EPOLL_CTL_MOD);
    options.protocol->connected(connection);
}

static void handle(struct connection *connection, uint32_t events)
{
    if (connection->fd < 0)
        return; /* cut in this turn */
    if (connection->connecting) {
        has_connected(connection);
        return;
    }
    if (events & EPOLLOUT)
        write_out(connection);
    if (connection->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_in(connection);
}

static void read_stdin(void (*on_line)(const char *))
{
    static char line[256];
    static size_t size;
    char text[256];
    ssize_t came = read(STDIN_FILENO, text, sizeof text);
    if (came <= 0) {
        stdin_ended = told_to_stop = true;
        epoll_ctl(poller, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        return;
    }
    for (ssize_t i = 0; i < came; i++) {
        if (text[i] == '\n') {
            line[size] = 0;
            size = 0;
            on_line(line);
        } else if (size + 1 < sizeof line) {
            line[size++] = text[i];
        }
    }
}

void loop_turn(int64_t until, void (*on_line)(const char *))
{
    struct epoll_event events[EVENTS];
    write_all();
    int64_t wait = until == NEVER ? SECOND : until - clock_now();
    if (wait < 0)
        wait = 0;
    struct timespec timeout = {wait / SECOND, wait % SECOND};
    int count = epoll_pwait2(poller, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL)
            read_stdin(on_line);
        else
            handle(events[i].data.ptr, events[i].events);
    }
    write_all();
}
