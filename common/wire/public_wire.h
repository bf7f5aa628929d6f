#ifndef COMMON_WIRE_PUBLIC_WIRE_H
#define COMMON_WIRE_PUBLIC_WIRE_H

/*
 * Public parts of records, and the plaintexts of seals, between bytes and common/model. Rules as in
 * record_wire.h, but a decoded public part owns its memory and does not need the input any more:
 * end it with its x_fini. Private keys are never copied out of a struct secret except into another.
 */

#include "common/crypto/secret.h"
#include "common/model/public.h"

NODISCARD int wire_root_public_encode(
    const struct root_public *p, struct buf *out, struct err *err);
NODISCARD int wire_root_public_decode(struct span in, struct root_public *out, struct err *err);
NODISCARD int wire_designation_public_encode(
    const struct designation_public *p, struct buf *out, struct err *err);
NODISCARD int wire_designation_public_decode(
    struct span in, struct designation_public *out, struct err *err);
NODISCARD int wire_node_public_encode(
    const struct node_public *p, struct buf *out, struct err *err);
NODISCARD int wire_node_public_decode(struct span in, struct node_public *out, struct err *err);
NODISCARD int wire_group_public_encode(
    const struct group_public *p, struct buf *out, struct err *err);
NODISCARD int wire_group_public_decode(struct span in, struct group_public *out, struct err *err);
NODISCARD int wire_membership_public_encode(
    const struct membership_public *p, struct buf *out, struct err *err);
NODISCARD int wire_membership_public_decode(
    struct span in, struct membership_public *out, struct err *err);
NODISCARD int wire_credential_public_encode(
    const struct credential_public *p, struct buf *out, struct err *err);
NODISCARD int wire_credential_public_decode(
    struct span in, struct credential_public *out, struct err *err);
NODISCARD int wire_generation_public_encode(
    const struct generation_public *p, struct buf *out, struct err *err);
NODISCARD int wire_generation_public_decode(
    struct span in, struct generation_public *out, struct err *err);
NODISCARD int wire_export_key_public_encode(
    const struct export_key_public *p, struct buf *out, struct err *err);
NODISCARD int wire_export_key_public_decode(
    struct span in, struct export_key_public *out, struct err *err);
NODISCARD int wire_ca_public_encode(const struct ca_public *p, struct buf *out, struct err *err);
NODISCARD int wire_ca_public_decode(struct span in, struct ca_public *out, struct err *err);
NODISCARD int wire_crl_public_encode(const struct crl_public *p, struct buf *out, struct err *err);
NODISCARD int wire_crl_public_decode(struct span in, struct crl_public *out, struct err *err);
NODISCARD int wire_trusted_root_public_encode(
    const struct trusted_root_public *p, struct buf *out, struct err *err);
NODISCARD int wire_trusted_root_public_decode(
    struct span in, struct trusted_root_public *out, struct err *err);
NODISCARD int wire_setting_public_encode(
    const struct setting_public *p, struct buf *out, struct err *err);
NODISCARD int wire_setting_public_decode(
    struct span in, struct setting_public *out, struct err *err);
NODISCARD int wire_ticket_key_public_encode(
    const struct ticket_key_public *p, struct buf *out, struct err *err);
NODISCARD int wire_ticket_key_public_decode(
    struct span in, struct ticket_key_public *out, struct err *err);

/* Whether a public part can be read as its kind wants it; kinds without one are always right. */
NODISCARD int wire_public_check(uint32_t kind, struct span in, struct err *err);

/* --- plaintexts of seals ------------------------------------------------------------------- */

/* PrivateKey: PKCS#8 of a GENERATION or CA. */
NODISCARD int wire_private_key_encode(
    const struct secret *pkcs8, struct secret **out, struct err *err);
NODISCARD int wire_private_key_decode(
    const struct secret *in, struct secret **pkcs8, struct err *err);

/* GroupKeys: PKCS#8 of each live key of a group, the newest first. */
struct group_keys {
	struct secret *pkcs8[LIMIT_GROUP_KEYS];
	size_t count;
};
void group_keys_fini(struct group_keys *k);
NODISCARD int wire_group_keys_encode(
    const struct group_keys *k, struct secret **out, struct err *err);
NODISCARD int wire_group_keys_decode(
    const struct secret *in, struct group_keys *out, struct err *err);

/* TicketKeys: 80 bytes each (name 16, AES-256 32, HMAC 32), the newest first. */
#define TICKET_KEY_LEN 80
#define LIMIT_TICKET_KEYS 8
struct ticket_keys {
	struct secret *keys[LIMIT_TICKET_KEYS];
	size_t count;
};
void ticket_keys_fini(struct ticket_keys *k);
NODISCARD int wire_ticket_keys_encode(
    const struct ticket_keys *k, struct secret **out, struct err *err);
NODISCARD int wire_ticket_keys_decode(
    const struct secret *in, struct ticket_keys *out, struct err *err);

/* ExportKey: EncryptedPrivateKeyInfo, which is borrowed from the payload. */
NODISCARD int wire_export_key_encode(struct span encrypted, struct secret **out, struct err *err);
NODISCARD int wire_export_key_decode(
    const struct secret *in, struct span *encrypted, struct err *err);

/*
 * What the command and the signer seal for each other: in the binding a nonce in place of the
 * record id, version 0, and one of these in place of a kind of records (docs/protocol/seals.md).
 */
#define SEAL_IMPORTED_KEY 0x10001u /* PrivateKey; public part: imported_key_purpose */
/*
 * SealedPassword of a key to be; nonce: the id of its GENERATION; public part: the id of its
 * CREDENTIAL, or the certificate of a key that is taken in.
 */
#define SEAL_MAKE_EXPORT 0x10002u
/* SealedPassword and key for the answer, then the answer (ExportKey); public part as below. */
#define SEAL_EXPORT 0x10003u
#define SEAL_EXPORTED 0x10004u

/* What an export is about: the id of its EXPORT_KEY and SHA-256 of the key, one behind the other.
 */
struct export_purpose {
	uint8_t bytes[ID_LEN + HASH_LEN];
};
struct export_purpose export_purpose(const struct id *record, const struct hash *key);

/*
 * What an imported key is for: its certificate, DER, and, when it is to be exportable, SHA-256 of
 * the sealed password behind it (empty: it is not). Anybody can seal a password to the managers;
 * only whoever has the key says by this that it goes with the key.
 */
NODISCARD int imported_key_purpose(
    struct span certificate, struct span export_password, struct buf *out, struct err *err);

/* SealedPassword. reply_key (SPKI) may be empty; decoded it is borrowed from the payload. */
NODISCARD int wire_password_encode(
    const struct secret *password, struct span reply_key, struct secret **out, struct err *err);
NODISCARD int wire_password_decode(
    const struct secret *in, struct secret **password, struct span *reply_key, struct err *err);

#endif
