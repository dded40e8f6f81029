from django.urls import path

from .consumers import NotificationConsumer

urlpatterns = [path('notifications/', NotificationConsumer.as_asgi())]
