fun Application.module() {
    install(WebSockets)
    routing {
        route("/v2") {
            webSocket("/live") {
                send("hello")
            }
        }
    }
}
