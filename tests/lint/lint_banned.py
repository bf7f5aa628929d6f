"""Functions that are not used, with what stands in their place."""

import re

from tree import line_of

EVERYWHERE = {
    "strcpy": "str_copy", "strcat": "struct buf", "sprintf": "snprintf or buf_printf",
    "vsprintf": "vsnprintf", "strtok": "str_split", "atoi": "num_parse", "atol": "num_parse",
    "sscanf": "num_parse or struct cursor", "gets": "fgets", "strncpy": "str_copy",
    "system": "process_spawn", "popen": "process_spawn", "mktemp": "file_write_private",
    "rand": "random_bytes", "srand": "random_bytes", "alloca": "struct buf",
    "gmtime": "gmtime_r", "localtime": "gmtime_r", "CMS_decrypt": "envelope_open",
    "CMS_verify": "sign_verify", "PKCS7_verify": "sign_verify", "PKCS7_decrypt": "envelope_open",
    "X509_NAME_oneline": "our own name reader", "EVP_Cipher": "EVP_DecryptUpdate and _Final",
    "SSL_CTX_set_ecdh_auto": "SSL_CTX_set1_groups_list",
}
# Raw calls that only common/base and common/sys make, so that limits, modes and fsync are kept.
RAW = ("malloc", "calloc", "realloc", "free", "strdup", "strndup", "asprintf", "open", "openat",
       "creat", "fopen", "rename", "unlink", "mkdir", "fork", "execve", "posix_spawn", "signal")
RAW_HOME = ("common/base/", "common/sys/")

CALL = re.compile(r"(?<![\w.>])([A-Za-z_]\w*)\s*\(")


def check(tree, build):
    found = []
    for name in tree.match(".c", ".h", under=("common", "server", "replica")):
        code = tree.code(name)
        raw = not name.startswith(RAW_HOME)
        for call in CALL.finditer(code):
            word = call.group(1)
            where = f"{name}:{line_of(code, call.start(1))}"
            if word in EVERYWHERE:
                found.append(f"{where}: {word} is banned; use {EVERYWHERE[word]}")
            elif raw and word in RAW:
                found.append(f"{where}: {word} is called only in common/base and common/sys")
    return found


BAD = {
    "common/crypto/a.c": 'int f(void)\n{\n\treturn atoi("1");\n}\n',
    "replica/main/b.c": "void g(void)\n{\n\tfree(p);\n\tx = CMS_decrypt (c);\n}\n",
}
EXPECTED = ["common/crypto/a.c:3: atoi is banned", "replica/main/b.c:3: free is called only",
            "replica/main/b.c:4: CMS_decrypt is banned"]
GOOD = {
    "common/base/a.c": "void g(void)\n{\n\tfree(p);\n}\n",
    "server/api/a.c": '/* system() is banned */\nconst char *s = "popen(";\nops->open(x); o.free(y);\n',
}
