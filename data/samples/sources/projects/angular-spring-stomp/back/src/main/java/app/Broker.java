package app;

@Configuration
@EnableWebSocketMessageBroker
public class Broker implements WebSocketMessageBrokerConfigurer {
    private static final String STOMP = "/stomp";

    @Override
    public void registerStompEndpoints(StompEndpointRegistry registry) {
        registry.addEndpoint(STOMP).setAllowedOrigins("https://app.example");
    }
}
