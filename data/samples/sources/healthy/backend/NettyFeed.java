// Netty: a ChannelGroup forgets channels that close; work that blocks runs in another pool.
package test.example;

import io.netty.channel.*;
import io.netty.channel.group.*;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.util.concurrent.*;

public class NettyFeed extends SimpleChannelInboundHandler<TextWebSocketFrame> {
    private static final ChannelGroup ALL = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
    private final ExecutorService pool = Executors.newFixedThreadPool(4);

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        ALL.add(ctx.channel());
    }

    @Override
    protected void channelRead0(ChannelHandlerContext ctx, TextWebSocketFrame frame) {
        String text = frame.text();
        pool.submit(() -> ALL.writeAndFlush(new TextWebSocketFrame(lookUp(text))));
    }

    private String lookUp(String text) {
        return text.toUpperCase();
    }
}
