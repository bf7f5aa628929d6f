#ifndef SERVER_SIGNER_SERVE_H
#define SERVER_SIGNER_SERVE_H

/*
 * The signer's own process. It is exec'd by main with the socket as descriptor 3 and the key file
 * as descriptor 4, and never returns keys. Frames: 4 bytes of length, big endian, then one
 * signer_request or signer_reply; replies come in any order.
 */

#define SIGNER_SOCKET_FD 3
#define SIGNER_KEY_FD 4

/* Locked memory that it can be given, a power of two. */
#define SIGNER_HEAP_MIN (256U * 1024)
#define SIGNER_HEAP_MAX (64U * 1024 * 1024)

/*
 * main() of the process; returns its exit status: 0 when the socket was closed by the other side.
 * Options: --log-level LEVEL, --log-json, --heap BYTES.
 */
int signer_main(int argc, char **argv);

#endif
