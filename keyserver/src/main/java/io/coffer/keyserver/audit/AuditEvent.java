package io.coffer.keyserver.audit;

/**
 * One thing that somebody asked for.
 *
 * @param who identity, or what is known of it
 * @param from network address
 * @param action for example key.read
 * @param target what it was about, for example cinder/project:hpc/UUID/3
 * @param outcome granted, refused or failed
 * @param reason why it was refused or failed, or how it was granted; may be empty
 */
public record AuditEvent(
    String who, String from, String action, String target, String outcome, String reason) {}
