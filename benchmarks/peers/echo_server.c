/* An echoing WebSocket server with as little between the kernel and the frames as can be: the floor of what a peer costs.

   cc -O2 -o echo_server echo_server.c && ./echo_server        prints its port, serves on 127.0.0.1 until SIGTERM

   One thread, epoll, level-triggered. Everything readable is read with one recv, every whole frame in it is unmasked in place and sent
   back with one send. Messages are binary or text, unfragmented, up to 60 KiB; pings are not answered. Hostile clients are cut. */

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
#include <unistd.h>

enum { ROOM = 1 << 16, EVENTS = 512, MOST_FRAME = 60 * 1024 };

struct line {
    int fd, upgraded;
    size_t kept;            /* bytes of an unfinished frame or request */
    unsigned char *rest;    /* these bytes, NULL while there are none */
    size_t waiting;         /* bytes that the kernel did not take yet */
    unsigned char *unsent;
};

static uint32_t rotate(uint32_t value, int by) { return value << by | value >> (32 - by); }

/* SHA-1 (RFC 3174) of at most 119 bytes, which a key and the GUID of RFC 6455 are. */
static void sha1(const unsigned char *text, size_t length, unsigned char digest[20]) {
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}, w[80];
    unsigned char block[128] = {0};
    size_t blocks = length + 9 > 64 ? 2 : 1;
    memcpy(block, text, length);
    block[length] = 0x80;
    block[blocks * 64 - 2] = (unsigned char)(length * 8 >> 8);
    block[blocks * 64 - 1] = (unsigned char)(length * 8);
    for (size_t at = 0; at < blocks * 64; at += 64) {
        for (int i = 0; i < 16; i++) {
            const unsigned char *p = block + at + 4 * i;
            w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
            uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            uint32_t next = rotate(a, 5) + f + e + k + w[i];
            e = d, d = c, c = rotate(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const unsigned char *bytes, size_t length, char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < length; at += 3) {
        size_t left = length - at;
        uint32_t three = (uint32_t)bytes[at] << 16 | (left > 1 ? bytes[at + 1] << 8 : 0) | (left > 2 ? bytes[at + 2] : 0);
        *text++ = letters[three >> 18];
        *text++ = letters[three >> 12 & 63];
        *text++ = left > 1 ? letters[three >> 6 & 63] : '=';
        *text++ = left > 2 ? letters[three & 63] : '=';
    }
    *text = 0;
}

static void end(struct line *line) {
    close(line->fd);
    free(line->rest);
    free(line->unsent);
    free(line);
}

static int watch(int poller, struct line *line, int operation) {
    struct epoll_event event = {.events = line->waiting ? EPOLLOUT : EPOLLIN, .data.ptr = line};
    return epoll_ctl(poller, operation, line->fd, &event);
}

/* Send, or keep what the kernel does not take and read no more from this client until it did. 0 when the client is gone. */
static int put(int poller, struct line *line, const unsigned char *bytes, size_t length) {
    ssize_t sent = length ? send(line->fd, bytes, length, MSG_NOSIGNAL) : 0;
    if (sent < 0 && errno != EAGAIN) return 0;
    size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done == length) return 1;
    unsigned char *unsent = malloc(length - done);
    if (!unsent) return 0;
    memcpy(unsent, bytes + done, length - done);
    free(line->unsent);
    line->unsent = unsent;
    line->waiting = length - done;
    return watch(poller, line, EPOLL_CTL_MOD) == 0;
}

static int flush(int poller, struct line *line) {
    ssize_t sent = send(line->fd, line->unsent, line->waiting, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    line->waiting -= (size_t)sent;
    memmove(line->unsent, line->unsent + sent, line->waiting);
    return line->waiting || watch(poller, line, EPOLL_CTL_MOD) == 0;
}

/* Answer the opening handshake; bytes used, 0 when it is not whole, -1 when it is none. */
static ssize_t upgrade(int poller, struct line *line, unsigned char *bytes, size_t length) {
    unsigned char *stop = memmem(bytes, length, "\r\n\r\n", 4), digest[20];
    if (!stop) return length < 8192 ? 0 : -1;
    *stop = 0;
    char *key = strcasestr((char *)bytes, "sec-websocket-key:"), joined[80], accept[32], answer[200];
    if (!key || sscanf(key + 18, " %24s", joined) != 1) return -1;
    strcat(joined, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    sha1((unsigned char *)joined, strlen(joined), digest);
    base64(digest, 20, accept);
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    line->upgraded = 1;
    return put(poller, line, (unsigned char *)answer, (size_t)size) ? stop + 4 - bytes : -1;
}

/* Unmask every whole frame and move it to the begin, header first, as it goes back. *used: bytes read; returns bytes to send, -1 to end. */
static ssize_t echo(unsigned char *bytes, size_t length, size_t *used) {
    size_t at = 0, out = 0;
    while (length - at >= 6) {
        size_t size = bytes[at + 1] & 127, head = 2;
        if (!(bytes[at + 1] & 128) || (bytes[at] & 15) == 8 || size == 127) return -1;
        if (size == 126) size = (size_t)bytes[at + 2] << 8 | bytes[at + 3], head = 4;
        if (size > MOST_FRAME) return -1;
        if (length - at < head + 4 + size) break;
        uint32_t mask;
        memcpy(&mask, bytes + at + head, 4);
        uint64_t wide = (uint64_t)mask << 32 | mask, eight;
        unsigned char *from = bytes + at + head + 4, *to = bytes + out + head;
        memmove(bytes + out, bytes + at, head);
        bytes[out + 1] &= 127;
        size_t i = 0;
        for (; i + 8 <= size; i += 8) memcpy(&eight, from + i, 8), eight ^= wide, memcpy(to + i, &eight, 8);
        for (; i < size; i++) to[i] = from[i] ^ ((unsigned char *)&mask)[i & 3];
        at += head + 4 + size;
        out += head + size;
    }
    *used = at;
    return (ssize_t)out;
}

static int serve(int poller, struct line *line, unsigned char *room) {
    if (line->waiting) return flush(poller, line);
    if (line->kept) memcpy(room, line->rest, line->kept);
    ssize_t got = recv(line->fd, room + line->kept, ROOM - line->kept, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    size_t length = line->kept + (size_t)got, used = 0;
    if (!line->upgraded) {
        ssize_t taken = upgrade(poller, line, room, length);
        if (taken < 0) return 0;
        used = (size_t)taken;
    }
    if (line->upgraded) {
        size_t framed = 0;
        ssize_t back = echo(room + used, length - used, &framed);
        if (back < 0 || !put(poller, line, room + used, (size_t)back)) return 0;
        used += framed;
    }
    size_t kept = length - used;
    if (kept > line->kept) {
        free(line->rest);
        if (!(line->rest = malloc(kept))) return 0;
    }
    if (kept) memcpy(line->rest, room + used, kept);
    if (!kept) free(line->rest), line->rest = NULL;
    line->kept = kept;
    return 1;
}

int main(void) {
    static unsigned char room[ROOM];
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) return perror("listen"), 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &accepting);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct line *line = events[i].data.ptr;
            if (line) {
                if (!serve(poller, line, room)) end(line);
                continue;
            }
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                if (!(line = calloc(1, sizeof *line))) return 1;
                line->fd = fd;
                if (watch(poller, line, EPOLL_CTL_ADD)) end(line);
            }
        }
    }
}
