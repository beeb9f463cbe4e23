package io.coffer.vfs;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An entry of the encrypted view of a plain tree. Unlike other inodes it belongs to its place in
 * the tree, for that is what its ciphertext comes from: what was moved, or put in another's place,
 * is another node, and so is each hard link.
 *
 * <p>Counters and children are guarded by the filesystem that made it; the rest does not change.
 */
final class ReverseNode {
  /** What an entry stands for. */
  enum Kind {
    /** An entry of the plain tree. */
    PLAIN,
    /** The context file of the directory that is its parent. */
    CONTEXT,
    /** The file with the long name of the plain entry {@link #plainName}. */
    SIDECAR,
    /** The configuration. */
    CONFIG
  }

  final long id;
  final Kind kind;
  final @Nullable ReverseNode parent;
  final byte[] storedName;
  final byte[] plainName;
  final long device;
  final long inode;
  final int type;

  /** Content of a file that is not in the plain tree. */
  final byte[] content;

  long lookups;

  /** Known children and open handles. */
  int references;

  final Map<String, ReverseNode> children = new HashMap<>(0);

  ReverseNode(
      long id,
      Kind kind,
      @Nullable ReverseNode parent,
      byte[] storedName,
      byte[] plainName,
      long device,
      long inode,
      int type,
      byte[] content) {
    this.id = id;
    this.kind = kind;
    this.parent = parent;
    this.storedName = storedName;
    this.plainName = plainName;
    this.device = device;
    this.inode = inode;
    this.type = type;
    this.content = content;
  }

  /** Key of {@link #children}: bytes as characters. */
  static String key(byte[] storedName) {
    return new String(storedName, StandardCharsets.ISO_8859_1);
  }

  /** Encrypted path from the root, without a leading slash; empty for the root. */
  byte[] storedPath() {
    return path(true);
  }

  /** Plain path from the root, without a leading slash; empty for the root. */
  byte[] plainPath() {
    return path(false);
  }

  private byte[] path(boolean stored) {
    ByteArrayOutputStream path = new ByteArrayOutputStream();
    for (ReverseNode each : fromRoot()) {
      if (path.size() > 0) {
        path.write('/');
      }
      path.writeBytes(stored ? each.storedName : each.plainName);
    }
    return path.toByteArray();
  }

  /** The nodes from below the root down to this one. */
  Deque<ReverseNode> fromRoot() {
    Deque<ReverseNode> nodes = new ArrayDeque<>();
    for (ReverseNode each = this; each.parent != null; each = each.parent) {
      nodes.addFirst(each);
    }
    return nodes;
  }
}
