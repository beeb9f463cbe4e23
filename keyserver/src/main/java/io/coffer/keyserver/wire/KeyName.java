package io.coffer.keyserver.wire;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * What one version of one key is called: the context to which its key-string is bound.
 *
 * @param service whose endpoints may unwrap it, for example cinder
 * @param owner whose it is, for example project:hpc
 * @param id the key's UUID
 * @param version from 1
 */
public record KeyName(String service, String owner, String id, int version) {
  /**
   * The name as associated data: a domain text, then each part as length u16 and UTF-8, then the
   * version as u32, big-endian. No two names have the same bytes.
   */
  byte[] associated(String domain) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes((domain + "\0").getBytes(StandardCharsets.US_ASCII));
    for (String part : new String[] {service, owner, id}) {
      byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
      out.writeBytes(ByteBuffer.allocate(2).putShort((short) bytes.length).array());
      out.writeBytes(bytes);
    }
    out.writeBytes(ByteBuffer.allocate(4).putInt(version).array());
    return out.toByteArray();
  }
}
