/**
 * The formats of the Linux kernel's file encryption, fscrypt, with policies of version 2: contexts,
 * keys, contents, names, symbolic links and the names shown without a key. Sources: the kernel's
 * Documentation/filesystems/fscrypt.rst, include/uapi/linux/fscrypt.h and fs/crypto. Bytes in,
 * bytes out.
 */
@NullMarked
package io.coffer.format.fscrypt;

import org.jspecify.annotations.NullMarked;
