<?php

Broadcast::channel('orders.{id}', fn ($user, $id) => $user->owns($id));
