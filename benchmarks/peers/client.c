/* A WebSocket client that keeps W messages of each connection in flight: the floor of what a load generator costs.

   cc -O2 -o client client.c && ./client PORT CONNECTIONS WINDOW SIZE SECONDS        prints messages, CPU seconds, messages out of order

   One thread, epoll. Every message has a fresh mask (RFC 6455 section 5.3) and starts with the 24 bytes that wsbook's do: run,
   connection, number, time. Everything readable is read with one recv; for every echo in it the number is compared with the one
   expected, its latency summed, and the next message is put beside the others into one send. The first connection's handshake is
   believed: this is a floor, no client. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 18, EVENTS = 512, HEADER = 24 };

struct line {
    int fd;
    uint32_t number;
    uint64_t next, expected;
    size_t kept, unsent;
    unsigned char *rest, *out;
};

static uint64_t dice, out_of_order, summed_ns;
static size_t size, head, framed, answered;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t mask(void) {
    dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17; /* xorshift64 */
    return (uint32_t)(dice >> 16);
}

static unsigned char *frame(struct line *line, unsigned char *to, uint64_t at_ns) {
    static unsigned char padding[ROOM];
    uint32_t one = mask();
    uint64_t wide = (uint64_t)one << 32 | one, parts[3] = {1 | (uint64_t)line->number << 32, line->next++, at_ns};
    *to++ = 0x82;
    if (size < 126) *to++ = (unsigned char)(128 | size);
    else *to++ = 128 | 126, *to++ = (unsigned char)(size >> 8), *to++ = (unsigned char)size;
    memcpy(to, &one, 4);
    to += 4;
    for (int i = 0; i < 3; i++) parts[i] ^= wide;
    memcpy(to, parts, HEADER);
    for (size_t i = HEADER; i < size; i += 8) {
        uint64_t eight;
        memcpy(&eight, padding + i, 8);
        eight ^= wide;
        memcpy(to + i, &eight, size - i < 8 ? size - i : 8);
    }
    return to + size;
}

static int put(struct line *line, unsigned char *bytes, size_t length) {
    ssize_t sent = send(line->fd, bytes, length, MSG_NOSIGNAL);
    if (sent == (ssize_t)length) return 1;
    fprintf(stderr, "the server takes no more: %s\n", sent < 0 ? strerror(errno) : "a part was sent");
    return 0; /* a window that does not fit into the socket's buffer is none to measure with */
}

static int take(struct line *line, unsigned char *room, unsigned char *out, int sending) {
    if (line->kept) memcpy(room, line->rest, line->kept);
    ssize_t got = recv(line->fd, room + line->kept, ROOM - line->kept, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    size_t length = line->kept + (size_t)got, at = 0;
    uint64_t now = now_ns();
    unsigned char *end = out;
    for (; length - at >= framed; at += framed) {
        uint64_t number, sent_ns;
        memcpy(&number, room + at + head + 8, 8);
        memcpy(&sent_ns, room + at + head + 16, 8);
        out_of_order += number != line->expected++;
        summed_ns += now - sent_ns;
        answered++;
        if (sending) end = frame(line, end, now);
    }
    line->kept = length - at;
    memcpy(line->rest, room + at, line->kept);
    return end == out || put(line, out, (size_t)(end - out));
}

static int opened(struct line *line, int port) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[1024];
    int one = 1;
    line->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return connect(line->fd, (struct sockaddr *)&address, sizeof address) == 0
        && send(line->fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1
        && recv(line->fd, answer, sizeof answer, 0) > 12 && !memcmp(answer, "HTTP/1.1 101", 12);
}

int main(int count, char **words) {
    static unsigned char room[ROOM], out[ROOM];
    if (count != 6) return fprintf(stderr, "client PORT CONNECTIONS WINDOW SIZE SECONDS\n"), 2;
    int port = atoi(words[1]), connections = atoi(words[2]), window = atoi(words[3]), poller = epoll_create1(0);
    size = (size_t)atoi(words[4]);
    head = size < 126 ? 2 : 4;
    framed = head + size;
    if (size < HEADER || (framed + 4) * (size_t)window > ROOM / 2) return fprintf(stderr, "size or window is out of bounds\n"), 2;
    struct line *lines = calloc((size_t)connections, sizeof *lines);
    dice = now_ns() | 1;
    for (int i = 0; i < connections; i++) {
        lines[i].number = (uint32_t)i;
        lines[i].rest = malloc(framed);
        if (!opened(lines + i, port)) return perror("not opened"), 1;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = lines + i};
        epoll_ctl(poller, EPOLL_CTL_ADD, lines[i].fd, &event);
    }
    uint64_t until = now_ns() + (uint64_t)(atof(words[5]) * 1e9), asked = 0;
    for (int i = 0; i < connections; i++) {
        unsigned char *end = out;
        uint64_t now = now_ns();
        for (int k = 0; k < window; k++) end = frame(lines + i, end, now);
        if (!put(lines + i, out, (size_t)(end - out))) return 1;
    }
    for (int sending = 1; sending || answered < asked;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, 1000);
        if (!ready) return fprintf(stderr, "answers are missing\n"), 1;
        if (sending && now_ns() > until) {
            sending = 0;
            for (int i = 0; i < connections; i++) asked += lines[i].next;
        }
        for (int i = 0; i < ready; i++)
            if (!take(events[i].data.ptr, room, out, sending)) return 1;
    }
    struct rusage spent;
    getrusage(RUSAGE_SELF, &spent);
    double cpu_s = (double)spent.ru_utime.tv_sec + (double)spent.ru_stime.tv_sec + (double)(spent.ru_utime.tv_usec + spent.ru_stime.tv_usec) / 1e6;
    printf("%zu %.6f %llu\n", answered, cpu_s, (unsigned long long)out_of_order);
    return 0;
}
