package io.coffer.keyserver.server;

/** Content that is not JSON. */
record Content(String type, byte[] bytes) {}
