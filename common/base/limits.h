#ifndef COMMON_BASE_LIMITS_H
#define COMMON_BASE_LIMITS_H

/*
 * Every maximum that a peer, an administrator or a file can run into, in one place, with the reason
 * where it is not obvious. Tests probe them at the limit and above; docs/evidence.md says which.
 */

/* records and seals */
#define LIMIT_NAME 253            /* a DNS name in text; also the name of any record */
#define LIMIT_NAME_TYPED 1024     /* bytes of UTF-8; as A-labels it has LIMIT_NAME at most */
#define LIMIT_NAMES 100           /* names of one credential */
#define LIMIT_RECIPIENTS 64       /* of one seal; larger audiences are groups */
#define LIMIT_PUBLIC (64 * 1024)  /* public part of a record, but of a revocation list */
#define LIMIT_SEALED (256 * 1024) /* envelope */
#define LIMIT_RECORD (384 * 1024) /* body of a record */
#define LIMIT_MUTATION 1536       /* records of one mutation: a new key for the largest group */
#define LIMIT_MEMBERS 1500        /* of one group */
#define LIMIT_MUTATION_BYTES (3 * 1024 * 1024) /* of bodies; fits a Delta and a signer's frame */
#define LIMIT_CERT (32 * 1024)                 /* one certificate, DER */
#define LIMIT_CSR (32 * 1024)                  /* a certificate request; 100 long names fit */
#define LIMIT_CHAIN 10                         /* certificates of one chain */
#define LIMIT_KEY (16 * 1024)                  /* a private key, PKCS#8 DER */
#define LIMIT_DESIGNATIONS 256                 /* chain of designations carried in one message */
#define LIMIT_DESIGNATION 1024                 /* body of a designation */
#define LIMIT_HEAD 1024                        /* body of a head */
#define LIMIT_ACCESS 63        /* ids of one access list; the group of managers is the 64th */
#define LIMIT_RETIRING 32      /* generations of a credential that are to be revoked */
#define LIMIT_EXPOSED 128      /* of one credential: who knows a key of it */
#define LIMIT_LABEL 63         /* name of a node or group; also one label of a DNS name */
#define LIMIT_AUTHOR 127       /* who asked for a change */
#define LIMIT_ENDPOINT 300     /* host and port as text */
#define LIMIT_ADDRESSES 32     /* of one node */
#define LIMIT_GROUP_KEYS 16    /* live keys of one group */
#define LIMIT_SPKI 1100        /* a public key, DER; RSA 8192 fits */
#define LIMIT_SIGNATURE 112    /* ECDSA, DER; P-384 fits */
#define LIMIT_TEXT 1024        /* an error or a value of a setting */
#define LIMIT_CRL_ENTRIES 4000 /* certificates that one CA has revoked and that still run */
#define LIMIT_CRL (256 * 1024) /* a revocation list, DER; so many entries fit */
#define LIMIT_PUBLIC_CRL (320 * 1024) /* public part of its record */
#define LIMIT_SERIAL 20               /* of a certificate */
#define LIMIT_CA_ADDRESS 200          /* stands twice in each certificate */

/* the link */
#define LIMIT_REQUEST (512 * 1024)     /* Request of a follower; a full list of receipts fits */
#define LIMIT_DELTA (4 * 1024 * 1024)  /* Delta, and so RECVMAXSZ of a follower */
#define LIMIT_DELTA_PAGE (1024 * 1024) /* max_bytes a follower may ask for and default */
#define LIMIT_RECEIPTS 4096            /* of one Pull; more come in the next */

/* the public port */
#define LIMIT_HANDSHAKE_MS 10000     /* TLS handshake and first bytes of a protocol */
#define LIMIT_PENDING_HANDSHAKES 256 /* of all peers together */
#define LIMIT_PENDING_PER_ADDRESS 16
#define LIMIT_TRIES_PER_SECOND 20 /* new connections of one address, refilled */
#define LIMIT_IDLE_HTTP_MS 30000

/* the API */
#define LIMIT_HTTP_HEADERS (16 * 1024)
#define LIMIT_HTTP_BODY (256 * 1024)
#define LIMIT_HTTP_CONNECTIONS 256
#define LIMIT_JSON_DEPTH 16
#define LIMIT_WATCHERS 64

/* main and signer */
#define LIMIT_SIGNER_FRAME (4 * 1024 * 1024)
#define LIMIT_SIGN_BATCH 1536

/* files */
#define LIMIT_CONFIG (64 * 1024)
#define LIMIT_PEM_FILE (1024 * 1024)

/* imports: what a foreign file may hold or ask for */
#define LIMIT_IMPORT_FILE (4 * 1024 * 1024) /* one file; the bundle of all public roots has 0.3 */
#define LIMIT_IMPORT_ITEMS 1024             /* found in all files of one import */
#define LIMIT_IMPORT_KEYS 64                /* of those; keys take locked memory */
#define LIMIT_IMPORT_PASSWORDS 8
#define LIMIT_IMPORT_DEPTH 4          /* containers inside containers */
#define LIMIT_DER_ELEMENTS 100000     /* of one container */
#define LIMIT_PASSWORD 1024           /* bytes */
#define LIMIT_PBE_ROUNDS 10000000     /* of key derivation, in all for one import */
#define LIMIT_PBE_MS 5000             /* of CPU time for them */
#define LIMIT_PBE_MEMORY (128u << 20) /* of scrypt */
#define LIMIT_PBE_SALT 1024

/* remote checks */
#define LIMIT_CHECKS 16         /* addresses of one credential */
#define LIMIT_CHECK_TARGET 540  /* one of them as text: two names, a protocol, a port */
#define LIMIT_CHECKS_AT_ONCE 16 /* handshakes with others that are under way */
#define LIMIT_CHECK_MS 15000    /* resolving, connecting, what is said before TLS, handshake */

/* the search for a chain */
#define LIMIT_CHAIN_CANDIDATES 2048 /* certificates looked at */
#define LIMIT_TRUSTED_ROOTS 1000    /* of a domain, intermediates included: each search sees them */
#define LIMIT_CHAIN_SIGNATURES 2000 /* checked */

#endif
