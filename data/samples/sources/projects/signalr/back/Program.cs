var builder = WebApplication.CreateBuilder(args);
builder.Services.AddSignalR();
var app = builder.Build();
app.MapHub<OrdersHub>("/hubs/orders");
app.Run();
