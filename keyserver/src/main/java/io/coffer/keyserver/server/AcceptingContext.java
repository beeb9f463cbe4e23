package io.coffer.keyserver.server;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.security.KeyManagementException;
import java.security.SecureRandom;
import java.util.function.Consumer;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLContextSpi;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocketFactory;
import javax.net.ssl.SSLSessionContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManager;

/**
 * A TLS context that shows a listener each connection before its handshake: the one place at which
 * Helidon lets go of a socket that it has accepted. It lays TLS over accepted connections, and does
 * nothing else.
 */
final class AcceptingContext extends SSLContext {
  private AcceptingContext(
      SSLContext context, SSLParameters parameters, Consumer<Socket> accepted) {
    super(new Spi(context, parameters, accepted), context.getProvider(), context.getProtocol());
  }

  /**
   * A context.
   *
   * @param parameters what is demanded of the other side
   * @param accepted is shown every connection
   */
  static SSLContext of(SSLContext context, SSLParameters parameters, Consumer<Socket> accepted) {
    return new AcceptingContext(context, parameters, accepted);
  }

  private static final class Spi extends SSLContextSpi {
    private final SSLContext context;
    private final SSLParameters parameters;
    private final Consumer<Socket> accepted;

    Spi(SSLContext context, SSLParameters parameters, Consumer<Socket> accepted) {
      this.context = context;
      this.parameters = parameters;
      this.accepted = accepted;
    }

    @Override
    protected void engineInit(KeyManager[] keys, TrustManager[] trust, SecureRandom random)
        throws KeyManagementException {
      throw new KeyManagementException("this context has its keys");
    }

    @Override
    protected SSLSocketFactory engineGetSocketFactory() {
      return new Sockets(context.getSocketFactory(), parameters, accepted);
    }

    @Override
    protected SSLServerSocketFactory engineGetServerSocketFactory() {
      return context.getServerSocketFactory();
    }

    @Override
    protected SSLEngine engineCreateSSLEngine() {
      return context.createSSLEngine();
    }

    @Override
    protected SSLEngine engineCreateSSLEngine(String host, int port) {
      return context.createSSLEngine(host, port);
    }

    @Override
    protected SSLSessionContext engineGetServerSessionContext() {
      return context.getServerSessionContext();
    }

    @Override
    protected SSLSessionContext engineGetClientSessionContext() {
      return context.getClientSessionContext();
    }

    @Override
    protected SSLParameters engineGetDefaultSSLParameters() {
      return context.getDefaultSSLParameters();
    }

    @Override
    protected SSLParameters engineGetSupportedSSLParameters() {
      return context.getSupportedSSLParameters();
    }
  }

  private static final class Sockets extends SSLSocketFactory {
    private final SSLSocketFactory factory;
    private final SSLParameters parameters;
    private final Consumer<Socket> accepted;

    Sockets(SSLSocketFactory factory, SSLParameters parameters, Consumer<Socket> accepted) {
      this.factory = factory;
      this.parameters = parameters;
      this.accepted = accepted;
    }

    @Override
    public Socket createSocket(Socket socket, InputStream consumed, boolean autoClose)
        throws IOException {
      accepted.accept(socket);
      SSLSocket tls = (SSLSocket) factory.createSocket(socket, consumed, autoClose);
      tls.setSSLParameters(parameters);
      return tls;
    }

    @Override
    public Socket createSocket(Socket socket, String host, int port, boolean autoClose)
        throws IOException {
      throw new IOException("this context is for accepted connections");
    }

    @Override
    public Socket createSocket(String host, int port) throws IOException {
      throw new IOException("this context is for accepted connections");
    }

    @Override
    public Socket createSocket(String host, int port, InetAddress local, int localPort)
        throws IOException {
      throw new IOException("this context is for accepted connections");
    }

    @Override
    public Socket createSocket(InetAddress host, int port) throws IOException {
      throw new IOException("this context is for accepted connections");
    }

    @Override
    public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort)
        throws IOException {
      throw new IOException("this context is for accepted connections");
    }

    @Override
    public String[] getDefaultCipherSuites() {
      return factory.getDefaultCipherSuites();
    }

    @Override
    public String[] getSupportedCipherSuites() {
      return factory.getSupportedCipherSuites();
    }
  }
}
