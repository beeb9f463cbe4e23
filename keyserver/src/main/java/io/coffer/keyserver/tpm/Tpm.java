package io.coffer.keyserver.tpm;

/**
 * Numbers of the TPM 2.0 Library specification, part 2 (structures), as far as they are used here.
 * All integers are big-endian; "2B" is a size u16 and so many bytes.
 */
final class Tpm {
  static final int ST_NO_SESSIONS = 0x8001;
  static final int ST_SESSIONS = 0x8002;
  static final int ST_ATTEST_QUOTE = 0x8018;
  static final int GENERATED = 0xff544347;
  static final int RH_OWNER = 0x40000001;
  static final int RH_NULL = 0x40000007;
  static final int RS_PW = 0x40000009;
  static final int RH_ENDORSEMENT = 0x4000000b;
  static final int ALG_RSA = 0x0001;
  static final int ALG_AES = 0x0006;
  static final int ALG_KEYEDHASH = 0x0008;
  static final int ALG_SHA256 = 0x000b;
  static final int ALG_NULL = 0x0010;
  static final int ALG_ECDSA = 0x0018;
  static final int ALG_ECC = 0x0023;
  static final int ALG_CFB = 0x0043;
  static final int ECC_NIST_P256 = 0x0003;
  static final int CC_CREATE_PRIMARY = 0x131;
  static final int CC_ACTIVATE_CREDENTIAL = 0x147;
  static final int CC_POLICY_SECRET = 0x151;
  static final int CC_CREATE = 0x153;
  static final int CC_LOAD = 0x157;
  static final int CC_QUOTE = 0x158;
  static final int CC_UNSEAL = 0x15e;
  static final int CC_FLUSH_CONTEXT = 0x165;
  static final int CC_LOAD_EXTERNAL = 0x167;
  static final int CC_POLICY_AUTHORIZE = 0x16a;
  static final int CC_START_AUTH_SESSION = 0x176;
  static final int CC_VERIFY_SIGNATURE = 0x177;
  static final int CC_PCR_READ = 0x17e;
  static final int CC_POLICY_PCR = 0x17f;
  static final int RC_RETRY = 0x922;
  static final int SE_HMAC = 0;
  static final int SE_POLICY = 1;

  /** TPMA_SESSION: the session outlives the command; parameters are encrypted to and from it. */
  static final int SESSION_CONTINUE = 0x01;

  static final int SESSION_DECRYPT = 0x20;
  static final int SESSION_ENCRYPT = 0x40;

  /** fixedTPM, fixedParent, sensitiveDataOrigin, restricted, sign. */
  static final int AK_NEEDED = 0x00050032;

  /** decrypt: a signing key that also decrypts is none. */
  static final int AK_FORBIDDEN = 0x00020000;

  static final int PCRS = 24;

  private Tpm() {}
}
