/*
 * The floor: a line echo server on epoll that makes as few system calls as Linux allows.
 *
 *     c-epoll PORT stream|oneshot BACKLOG [close|more|shutdown]
 *
 * stream: echo every line until the peer leaves. oneshot: echo one line, then close.
 * The last argument says how a oneshot connection ends:
 *     close     write, close: the reply and the FIN are two segments
 *     more      send(MSG_MORE), close: one segment carries both
 *     shutdown  send(MSG_MORE), shutdown, close: one segment, sent before the close can reset it
 *
 * One message costs `read, write` on a persistent connection, and `accept4, read, write, close` on
 * a connection of its own; each turn adds one `epoll_wait` and, with new connections, one `accept4`
 * that finds the queue empty. Edges are armed once and for both directions.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_BYTES_MAX = 16384, EVENTS_PER_TURN = 1024 };

enum behaviour { STREAM, ONESHOT };
enum closing { CLOSE, MORE, SHUTDOWN };
enum fate { KEEP, DROP };

/* `kept` is what a turn could not finish: `owed` bytes to be written, then the start of a line. */
struct connection {
    int fd;
    size_t kept_bytes;
    size_t owed;
    char *kept;
};

static enum behaviour behaviour;
static enum closing closing;
static int epoll_fd;
static char shared[MESSAGE_BYTES_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void keep(struct connection *c, const char *bytes, size_t count)
{
    if (c->kept == NULL && (c->kept = malloc(MESSAGE_BYTES_MAX)) == NULL)
        die("malloc");
    memmove(c->kept, bytes, count);
    c->kept_bytes = count;
}

/* Writes the first `owed` of `count` bytes and keeps what is left of them. */
static enum fate reply(struct connection *c, const char *bytes, size_t owed, size_t count)
{
    int flags = behaviour == ONESHOT && closing != CLOSE ? MSG_MORE : 0;
    ssize_t sent = send(c->fd, bytes, owed, flags | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return DROP;
    size_t written = sent < 0 ? 0 : (size_t)sent;
    c->owed = owed - written;
    if (behaviour == ONESHOT && c->owed == 0) {
        if (closing == SHUTDOWN)
            shutdown(c->fd, SHUT_WR);
        return DROP;
    }
    if (written < count) {
        keep(c, bytes + written, count - written);
    } else {
        free(c->kept);
        c->kept = NULL;
        c->kept_bytes = 0;
    }
    return KEEP;
}

/* Reads and answers until the socket has nothing more. A short read means just that, unless a FIN
 * came with the data: it has no event of its own, so `peer_closed` demands a read up to it. */
static enum fate serve(struct connection *c, bool peer_closed)
{
    for (;;) {
        if (c->owed > 0 && reply(c, c->kept, c->owed, c->kept_bytes) == DROP)
            return DROP;
        if (c->owed > 0)
            return KEEP; /* the edge of writability calls again */

        char *start = c->kept ? c->kept : shared;
        size_t room = MESSAGE_BYTES_MAX - c->kept_bytes;
        ssize_t received = read(c->fd, start + c->kept_bytes, room);
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0)
            return errno == EAGAIN ? KEEP : DROP;
        if (received == 0)
            return DROP;

        size_t count = c->kept_bytes + (size_t)received;
        const char *newline = behaviour == ONESHOT ? memchr(start, '\n', count)
                                                   : memrchr(start, '\n', count);
        if (newline != NULL) {
            if (reply(c, start, (size_t)(newline - start) + 1, count) == DROP)
                return DROP;
        } else if (count == MESSAGE_BYTES_MAX) {
            return DROP;
        } else {
            keep(c, start, count);
        }
        if ((size_t)received < room && !peer_closed)
            return KEEP;
    }
}

/* A connection is only given memory and an epoll entry when it outlives its first read. */
static void begin(int fd)
{
    struct connection first = {.fd = fd};
    struct connection *c;
    if (serve(&first, false) == DROP) {
        free(first.kept);
        close(fd);
        return;
    }
    if ((c = malloc(sizeof *c)) == NULL)
        die("malloc");
    *c = first;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0)
            begin(fd);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR && errno != ECONNABORTED)
            die("accept4");
    }
}

static int listen_on(int port, int backlog)
{
    int one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted sockets inherit it */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(fd, backlog) < 0)
        die("listen");
    return fd;
}

static void run(int listener)
{
    static struct epoll_event events[EVENTS_PER_TURN];
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll_ctl");
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS_PER_TURN, -1);
        if (ready < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == NULL) {
                accept_all(listener);
            } else if (serve(c, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == DROP) {
                close(c->fd);
                free(c->kept);
                free(c);
            }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s PORT stream|oneshot BACKLOG [close|more|shutdown]\n", argv[0]);
        return 2;
    }
    const char *end = argc > 4 ? argv[4] : "close";
    behaviour = strcmp(argv[2], "oneshot") == 0 ? ONESHOT : STREAM;
    closing = strcmp(end, "more") == 0 ? MORE : strcmp(end, "shutdown") == 0 ? SHUTDOWN : CLOSE;
    if ((epoll_fd = epoll_create1(0)) < 0)
        die("epoll_create1");
    run(listen_on(atoi(argv[1]), atoi(argv[3])));
}
