resource "aws_lb" "rt" {
  name               = "rt-${var.env}"
  load_balancer_type = "application"
  subnets            = module.vpc.public_subnets
  idle_timeout       = 3600
}

resource "aws_lb_target_group" "rt" {
  port             = 8080
  protocol         = "HTTP"
  protocol_version = "HTTP1"
  vpc_id           = module.vpc.vpc_id
  health_check {
    path    = "/healthz"
    matcher = "200"
  }
  stickiness {
    type    = "lb_cookie"
    enabled = true
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.rt.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = aws_acm_certificate.rt.arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.rt.arn
  }
}
