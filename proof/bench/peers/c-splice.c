/*
 * The physical limit of echoing bytes: splice(2) moves them from socket to socket through a pipe, and
 * none is copied into this process.
 *
 *     c-splice PORT bytes BACKLOG
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIPE_BYTES = 1 << 20, EVENTS_PER_TURN = 64 };
enum fate { KEEP, DROP };

struct connection {
    int fd;
    int in, out; /* the ends of its pipe */
    size_t held; /* bytes in the pipe */
};

static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static ssize_t move(int from, int to, size_t count)
{
    ssize_t moved = splice(from, NULL, to, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return moved < 0 && errno == EAGAIN ? -2 : moved;
}

/* Moves bytes until the socket has no more, or takes no more. */
static enum fate serve(struct connection *c)
{
    for (;;) {
        while (c->held > 0) {
            ssize_t sent = move(c->out, c->fd, c->held);
            if (sent < 0)
                return sent == -2 ? KEEP : DROP;
            c->held -= (size_t)sent;
        }
        ssize_t received = move(c->fd, c->in, PIPE_BYTES);
        if (received <= 0)
            return received == -2 ? KEEP : DROP;
        c->held = (size_t)received;
    }
}

static void accept_one(int listener)
{
    int ends[2];
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL || pipe2(ends, O_NONBLOCK) < 0)
        die("pipe2");
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    c->out = ends[0];
    c->in = ends[1];
    if ((c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0)
        die("accept4");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll_ctl");
}

static int listen_on(int port, int backlog)
{
    int one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
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

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS_PER_TURN];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (argc < 4) {
        fprintf(stderr, "usage: %s PORT bytes BACKLOG\n", argv[0]);
        return 2;
    }
    int listener = listen_on(atoi(argv[1]), atoi(argv[3]));
    if ((epoll_fd = epoll_create1(0)) < 0)
        die("epoll_create1");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll_ctl");
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS_PER_TURN, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == NULL) {
                accept_one(listener);
            } else if (serve(c) == DROP) {
                close(c->fd);
                close(c->in);
                close(c->out);
                free(c);
            }
        }
    }
}
