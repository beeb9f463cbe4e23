package io.coffer.keyserver.tpm;

import java.io.IOException;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** Commands of a TPM that endpoints and servers both need. Not thread-safe. */
final class TpmCommands {
  private static final int MAX_TRIES = 10;

  /**
   * An object in the TPM, to be flushed.
   *
   * @param publicArea TPMT_PUBLIC
   */
  record Loaded(int handle, byte[] publicArea) {
    byte[] name() {
      return AttestationKey.name(publicArea);
    }
  }

  private final TpmChannel channel;

  TpmCommands(TpmChannel channel) {
    this.channel = channel;
  }

  /**
   * Sends a command.
   *
   * @param rest all after the command code
   * @return the response after its header
   * @throws TpmException if the TPM refuses
   */
  Fields.Reader send(boolean sessions, int code, byte[] rest) throws IOException {
    byte[] command =
        new Fields.Writer()
            .u16(sessions ? Tpm.ST_SESSIONS : Tpm.ST_NO_SESSIONS)
            .u32(10 + rest.length)
            .u32(code)
            .bytes(rest)
            .toBytes();
    Fields.Reader response;
    int result;
    int tries = 0;
    do {
      response = new Fields.Reader(channel.transmit(command));
      response.u16();
      response.u32();
      result = response.u32();
      tries++;
      // A TPM that has something else to do first wants to be asked again.
    } while (result == Tpm.RC_RETRY && tries < MAX_TRIES);
    if (result != 0) {
      throw new TpmException(code, result);
    }
    return response;
  }

  /** An authorization area with the empty password, and with a policy session if there is one. */
  static byte[] authorization(int policySession) {
    Fields.Writer sessions = new Fields.Writer().u32(Tpm.RS_PW).u16(0).u8(0).u16(0);
    if (policySession != 0) {
      sessions.u32(policySession).u16(0).u8(0).u16(0);
    }
    byte[] area = sessions.toBytes();
    return new Fields.Writer().u32(area.length).bytes(area).toBytes();
  }

  /** Makes a primary key of a hierarchy without password; the same each time. */
  Loaded createPrimary(int hierarchy, byte[] template) throws IOException {
    Fields.Reader response =
        send(
            true,
            Tpm.CC_CREATE_PRIMARY,
            new Fields.Writer()
                .u32(hierarchy)
                .bytes(authorization(0))
                .sized(new byte[4])
                .sized(template)
                .u16(0)
                .u32(0)
                .toBytes());
    int handle = response.u32();
    response.u32();
    return new Loaded(handle, response.sized());
  }

  /** TPML_PCR_SELECTION of registers of the SHA-256 bank. */
  static byte[] selection(SortedSet<Integer> registers) {
    byte[] bits = new byte[Tpm.PCRS / 8];
    registers.forEach(register -> bits[register / 8] |= (byte) (1 << register % 8));
    return new Fields.Writer().u32(1).u16(Tpm.ALG_SHA256).u8(bits.length).bytes(bits).toBytes();
  }

  /** Reads registers of the SHA-256 bank. */
  SortedMap<Integer, byte[]> read(SortedSet<Integer> registers) throws IOException {
    SortedMap<Integer, byte[]> values = new TreeMap<>();
    for (int register : registers) {
      Fields.Reader response =
          send(false, Tpm.CC_PCR_READ, selection(new TreeSet<>(Set.of(register))));
      response.u32();
      response.expect(response.u32(), 1, "number of banks");
      response.u16();
      response.bytes(response.u8());
      response.expect(response.u32(), 1, "number of registers; has it a SHA-256 bank?");
      values.put(register, response.sized());
    }
    return values;
  }

  /** Forgets an object or a session. */
  void flush(int handle) throws IOException {
    send(false, Tpm.CC_FLUSH_CONTEXT, new Fields.Writer().u32(handle).toBytes());
  }
}
