package io.coffer.keyserver.seal;

import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.tpm.TpmApproval;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The approved states of a machine, in the file {@code tpm-approvals.json} of a server's directory:
 * {@code {"approvals": [...]}}, each as {@link TpmApproval} says. They are signed and need no
 * protection; without the file, the TPM opens nothing.
 */
public final class TpmApprovals {
  /** So many are kept; the oldest make room. */
  public static final int MAX = 32;

  private static final String NAME = "tpm-approvals.json";

  private TpmApprovals() {}

  /** Those of a server's directory, the newest last. */
  public static List<TpmApproval> read(Path directory) throws IOException {
    Path file = directory.resolve(NAME);
    if (!Files.exists(file)) {
      return List.of();
    }
    try {
      JsonObject json = JsonObject.parse(Files.readAllBytes(file), TpmApproval.BINARY);
      List<TpmApproval> approvals = new ArrayList<>();
      for (JsonObject each : json.objects("approvals")) {
        approvals.add(TpmApproval.parse(each));
      }
      return approvals;
    } catch (JsonException e) {
      throw new IOException(
          file
              + " is damaged: "
              + e.getMessage()
              + "; remove it and have the state approved again with 'coffer keyserver tpm-policy'",
          e);
    }
  }

  /** Adds one that was checked. */
  public static void add(Path directory, TpmApproval approval) throws IOException {
    List<TpmApproval> all = new ArrayList<>(read(directory));
    all.removeIf(each -> each.isSameState(approval));
    all.add(approval);
    List<TpmApproval> kept = all.subList(Math.max(0, all.size() - MAX), all.size());
    DurableFiles.writePublic(
        directory.resolve(NAME),
        new JsonObject()
            .put("approvals", kept.stream().map(TpmApproval::toJson).toList())
            .toBytes());
  }
}
