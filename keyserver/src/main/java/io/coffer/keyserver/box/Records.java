package io.coffer.keyserver.box;

import io.coffer.keyserver.engine.ConflictException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.record.IntegrityException;
import io.coffer.keyserver.record.RecordStore;
import io.coffer.keyserver.record.RecordStore.Write;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The records of the lock boxes as JSON objects. Ids:
 *
 * <pre>
 * service/SERVICE                      a service and its master keys, wrapped
 * rewrap/SERVICE                       how far a rotation of its master key is
 * owner/OWNER                          an owner and its members
 * endpoint/NAME                        a registered endpoint
 * token/ID                             a token: whose, for what, until when, the hash of its secret
 * ticket/ID                            a ticket: whose, for what, which job and nodes have used it
 * verdict/NAME                         the last verdict on an endpoint's attestation
 * used/SHA-256                         a credential that was good once, and was used
 * transfer/ID                          an offer of a key to another lock box
 * door/OWNER                           how the Barbican door is open for an owner
 * secret/OWNER/ID, container/..., order/...   what is behind it, without payloads
 * shared/KIND/ID                       whose a secret is that users of other projects may read
 * key/SERVICE/OWNER/ID                 what a key is called, and who may do what with it
 * string/SERVICE/OWNER/ID/VERSION      a key-string: bytes, not JSON
 * </pre>
 */
final class Records {
  private static final Set<String> BINARY = Set.of("wrapped");

  /** A record that was read, to be changed and written back. */
  record Loaded(String id, long version, JsonObject json) {}

  private final RecordStore store;

  Records(RecordStore store) {
    this.store = store;
  }

  @Nullable Loaded find(String id) throws EngineException {
    var stored = store.get(id).orElse(null);
    if (stored == null) {
      return null;
    }
    try {
      return new Loaded(id, stored.version(), JsonObject.parse(stored.content(), BINARY));
    } catch (JsonException e) {
      throw new IntegrityException("the record " + id + " is malformed");
    } finally {
      Arrays.fill(stored.content(), (byte) 0);
    }
  }

  byte[] bytes(String id) throws EngineException {
    return store
        .get(id)
        .orElseThrow(() -> new IntegrityException("the record " + id + " is missing"))
        .content();
  }

  RecordStore.@Nullable Stored findBytes(String id) throws EngineException {
    return store.get(id).orElse(null);
  }

  List<String> ids(String prefix, String after, int limit) {
    return store.ids(prefix, after, limit);
  }

  int count(String directory) {
    return store.count(directory);
  }

  static Write create(String id, JsonObject json) {
    return new Write(id, json.toBytes(), 0);
  }

  static Write create(String id, byte[] content) {
    return new Write(id, content, 0);
  }

  static Write update(Loaded loaded) {
    return new Write(loaded.id(), loaded.json().toBytes(), loaded.version());
  }

  static Write delete(Loaded loaded) {
    return new Write(loaded.id(), null, loaded.version());
  }

  void commit(Write... writes) throws EngineException, ProblemException {
    commit(List.of(writes));
  }

  void commit(List<Write> writes) throws EngineException, ProblemException {
    try {
      store.commit(new ArrayList<>(writes));
    } catch (ConflictException e) {
      throw ProblemException.conflict(
          "somebody else changed it at the same time, or it exists already",
          "Read it again, and repeat the request if it still makes sense.");
    }
  }
}
