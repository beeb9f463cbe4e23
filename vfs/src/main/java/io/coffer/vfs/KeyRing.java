package io.coffer.vfs;

import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The master keys of a mounted volume. Each is claimed by the users who brought it, and is wiped
 * when the last of them gives it up. Thread-safe.
 */
final class KeyRing {
  private static final class Claimed {
    final FscryptMasterKey key;
    final SortedSet<Integer> users = new TreeSet<>();

    Claimed(FscryptMasterKey key) {
      this.key = key;
    }
  }

  /** As many keys as the kernel's key quota lets a user have. */
  static final int MOST_KEYS = 200;

  /** A key that is there, and whose it is. */
  record Present(byte[] identifier, List<Integer> users) {}

  /** A policy and its key. */
  private record Found(FscryptPolicy policy, FscryptMasterKey key) {}

  private final Map<String, Claimed> keys = new HashMap<>();

  /** What was last asked for, or null: all files of a tree share one policy. */
  private volatile @Nullable Found last;

  private static String name(byte[] identifier) {
    return HexFormat.of().formatHex(identifier);
  }

  /**
   * A user claims a key.
   *
   * @param key closed when the last claim goes, or now if the ring has it already
   * @return true if the key was not there before
   * @throws ErrnoException EDQUOT if the user, who is not root, claims too many keys already
   */
  synchronized boolean claim(int user, FscryptMasterKey key) throws ErrnoException {
    Claimed known = keys.get(name(key.identifier()));
    boolean more = known == null || !known.users.contains(user);
    if (more
        && user != 0
        && keys.values().stream().filter(each -> each.users.contains(user)).count() >= MOST_KEYS) {
      key.close();
      throw new ErrnoException(Errno.EDQUOT, "you have unlocked " + MOST_KEYS + " keys already");
    }
    if (known == null) {
      known = new Claimed(key);
      keys.put(name(key.identifier()), known);
      known.users.add(user);
      return true;
    }
    known.users.add(user);
    key.close();
    return false;
  }

  /** The key of a policy; null if it is not there. */
  @Nullable FscryptMasterKey find(FscryptPolicy policy) {
    Found found = last;
    return found != null && found.policy.equals(policy) ? found.key : lookUp(policy);
  }

  private synchronized @Nullable FscryptMasterKey lookUp(FscryptPolicy policy) {
    Claimed known = keys.get(name(policy.masterKeyIdentifier()));
    if (known == null || !known.key.isFor(policy)) {
      return null;
    }
    last = new Found(policy, known.key);
    return known.key;
  }

  /** Who claims a key; empty if it is not there. */
  synchronized List<Integer> users(byte[] identifier) {
    Claimed known = keys.get(name(identifier));
    return known == null ? List.of() : List.copyOf(known.users);
  }

  /**
   * A user gives up a key.
   *
   * @param everybody all others give it up too
   * @return true if no claim is left, so that the key is gone and wiped
   */
  synchronized boolean release(int user, byte[] identifier, boolean everybody) {
    Claimed known = keys.get(name(identifier));
    if (known == null) {
      return false;
    }
    known.users.remove(user);
    if (everybody) {
      known.users.clear();
    }
    if (!known.users.isEmpty()) {
      return false;
    }
    last = null;
    keys.remove(name(identifier));
    known.key.close();
    return true;
  }

  synchronized List<Present> all() {
    var all = new ArrayList<Present>();
    keys.values()
        .forEach(each -> all.add(new Present(each.key.identifier(), List.copyOf(each.users))));
    return all;
  }

  /** Wipes all keys. */
  synchronized void close() {
    last = null;
    keys.values().forEach(each -> each.key.close());
    keys.clear();
  }
}
