package main

import "github.com/gin-gonic/gin"

func main() {
	engine := gin.New()
	register(engine.Group("/v1"))
	engine.Run(":8080")
}
