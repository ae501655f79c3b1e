//! The shop of the demo: sixteen services, two databases, two parties outside.

use model::entity::Criticality::{self, Critical, High, Low, Medium};

use crate::traffic::Route;
use crate::world::Protocol::{Grpc, Http, Message};
use crate::world::{Call, World};

/// The shop, and the parts of it that a story speaks of.
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) routes: Vec<Route>,
    pub(crate) settlement_route: usize,
    pub(crate) ingress: usize,
    pub(crate) checkout: usize,
    pub(crate) payment: usize,
    pub(crate) recommendation: usize,
}

/// Where the layers of the shop meet: operations that others call.
struct Below {
    verify: usize,
    list: usize,
    item: usize,
    search: usize,
    suggest: usize,
    price: usize,
    stock: usize,
    reserve: usize,
    quote: usize,
    notify: usize,
    cart_get: usize,
    cart_add: usize,
}

struct Money {
    payment: usize,
    checkout: usize,
    buy: usize,
    status: usize,
    settle: usize,
}

pub(crate) fn shop() -> Shop {
    let mut world = World::empty("shop", "production", 4);
    let orders_db = world.store("orders-db", "postgresql", 3.0);
    let catalog_db = world.store("catalog-db", "postgresql", 2.5);
    let recommendation = service(&mut world, "recommendation", "team-discovery", Low, "2.7.0");
    let below = below(&mut world, catalog_db, recommendation);
    let money = money(&mut world, orders_db, &below);
    let ingress = service(&mut world, "ingress", "team-edge", Critical, "1.29.4");
    let mut routes = Vec::new();
    fronts(&mut world, &below, &money, ingress, &mut routes);
    let settlement_route = routes.len();
    routes.push(Route { operation: money.settle, per_s: 0.6 });
    Shop {
        world,
        routes,
        settlement_route,
        ingress,
        checkout: money.checkout,
        payment: money.payment,
        recommendation,
    }
}

fn service(world: &mut World, name: &str, owner: &str, tier: Criticality, version: &str) -> usize {
    let service = world.service(name, owner, tier);
    version.clone_into(&mut world.services[service].version);
    service
}

/// What the money does not pass through.
fn below(world: &mut World, db: usize, recommendation: usize) -> Below {
    let user = service(world, "user", "team-identity", High, "3.2.0");
    let verify = world.operation(user, Grpc, "shop.user.v1.Sessions/Verify", 2.2);
    world.step(verify, vec![Call::ask(db, "SELECT sessions").for_share(0.3)]);
    let catalog = service(world, "catalog", "team-discovery", High, "5.4.1");
    let list = world.operation(catalog, Http, "GET /products", 7.0);
    world.says(list, &["listed {} products of category {}"]);
    world.step(list, vec![Call::ask(db, "SELECT products")]);
    let item = world.operation(catalog, Http, "GET /products/{id}", 4.0);
    world.says(item, &["product {} read"]);
    world.step(item, vec![Call::ask(db, "SELECT products")]);
    let finder = service(world, "search", "team-discovery", Medium, "2.0.3");
    let search = world.operation(finder, Http, "GET /search", 18.0);
    world.says(search, &["query parsed into {} terms", "search returned {} hits"]);
    world.step(search, vec![Call::to(list)]);
    let suggest = world.operation(recommendation, Grpc, "shop.reco.v1.Items/Suggest", 12.0);
    world.says(suggest, &["{} items suggested for profile {}"]);
    let pricing = service(world, "pricing", "team-commerce", High, "1.12.0");
    let price = world.operation(pricing, Grpc, "shop.pricing.v1.Prices/Quote", 5.0);
    world.step(price, vec![Call::ask(db, "SELECT prices").for_share(0.5)]);
    let inventory = service(world, "inventory", "team-commerce", High, "4.1.7");
    let stock = world.operation(inventory, Grpc, "shop.inventory.v1.Stock/Get", 3.0);
    world.step(stock, vec![Call::ask(db, "SELECT stock")]);
    let reserve = world.operation(inventory, Grpc, "shop.inventory.v1.Stock/Reserve", 4.5);
    world.says(reserve, &["reserved {} items in stock of warehouse {}"]);
    world.step(reserve, vec![Call::ask(db, "UPDATE stock")]);
    let (quote, notify) = parcels(world);
    let (cart_get, cart_add) = cart(world, db);
    Below {
        verify,
        list,
        item,
        search,
        suggest,
        price,
        stock,
        reserve,
        quote,
        notify,
        cart_get,
        cart_add,
    }
}

fn parcels(world: &mut World) -> (usize, usize) {
    let carrier = world.provider("parcel-carrier", "api.carrier.example", 28.0);
    let shipping = service(world, "shipping", "team-logistics", Medium, "2.3.0");
    let quote = world.operation(shipping, Http, "POST /quotes", 6.0);
    world.says(quote, &["quoted parcel {}"]);
    world.step(quote, vec![Call::outside(carrier, "GET /v2/rates").for_share(0.1)]);
    let notification = service(world, "notification", "team-growth", Low, "1.7.2");
    let notify = world.operation(notification, Message, "process order-events", 9.0);
    world.says(notify, &["confirmation {} sent"]);
    (quote, notify)
}

fn cart(world: &mut World, db: usize) -> (usize, usize) {
    let cart = service(world, "cart", "team-checkout", Critical, "3.8.2");
    let get = world.operation(cart, Http, "GET /carts/{id}", 3.0);
    world.step(get, vec![Call::ask(db, "SELECT carts")]);
    let add = world.operation(cart, Http, "POST /carts/{id}/items", 4.0);
    world.says(add, &["item {} put into cart {}"]);
    world.step(add, vec![Call::ask(db, "UPDATE carts")]);
    (get, add)
}

/// What the money passes through: fraud, payment, orders, checkout.
fn money(world: &mut World, db: usize, below: &Below) -> Money {
    let fraud = service(world, "fraud", "team-payments", High, "1.4.0");
    let score = world.operation(fraud, Grpc, "shop.fraud.v1.Scores/Score", 11.0);
    world.says(score, &["transaction {} scored"]);
    let card = world.provider("card-network", "api.cards.example", 26.0);
    let payment = service(world, "payment", "team-payments", Critical, "6.0.2");
    world.services[payment].pool = Some(50);
    let charge = world.operation(payment, Http, "POST /payments", 9.0);
    world.says(charge, &["authorizing payment {}", "payment {} authorized, reference {}"]);
    world.step(charge, vec![Call::to(score).within(500.0, 1)]);
    world.step(charge, vec![Call::outside(card, "POST /v1/charges")]);
    world.step(charge, vec![Call::ask(db, "INSERT payments")]);
    let look_up = world.operation(payment, Http, "GET /payments/{id}", 3.0);
    world.step(look_up, vec![Call::ask(db, "SELECT payments")]);
    let book = world.operation(payment, Http, "POST /settlements", 12.0);
    world.says(book, &["settlement batch {} booked"]);
    world.step(book, vec![Call::ask(db, "UPDATE payments"), Call::ask(db, "INSERT ledger")]);
    let orders = service(world, "orders", "team-checkout", Critical, "7.3.0");
    world.services[orders].pool = Some(40);
    let create = world.operation(orders, Http, "POST /orders", 5.0);
    world.says(create, &["order {} placed"]);
    world.step(create, vec![Call::ask(db, "INSERT orders")]);
    world.step(create, vec![Call::publish("order-events", below.notify)]);
    let status = world.operation(orders, Http, "GET /orders/{id}", 4.0);
    world.step(status, vec![Call::ask(db, "SELECT orders")]);
    world.step(status, vec![Call::to(look_up).within(800.0, 2)]);
    let settle = world.operation(orders, Http, "POST /internal/settlements", 8.0);
    world.says(settle, &["settling {} orders"]);
    world.step(settle, vec![Call::ask(db, "SELECT orders")]);
    world.step(settle, vec![Call::to(book).within(1_500.0, 2)]);
    let (checkout, buy) = checkout(world, below, charge, create);
    Money { payment, checkout, buy, status, settle }
}

fn checkout(world: &mut World, below: &Below, charge: usize, create: usize) -> (usize, usize) {
    let checkout = service(world, "checkout", "team-checkout", Critical, "4.17.3");
    let buy = world.operation(checkout, Http, "POST /checkout", 10.0);
    world.says(buy, &["checkout of cart {} begins", "checkout of cart {} done, order {}"]);
    world.step(buy, vec![Call::to(below.cart_get)]);
    world.step(buy, vec![Call::to(below.price), Call::to(below.reserve), Call::to(below.quote)]);
    world.step(buy, vec![Call::to(charge).within(760.0, 3)]);
    world.step(buy, vec![Call::to(create)]);
    (checkout, buy)
}

/// The two front ends and the ingress before them. Every page is a route.
fn fronts(
    world: &mut World,
    below: &Below,
    money: &Money,
    ingress: usize,
    routes: &mut Vec<Route>,
) {
    let web = service(world, "web", "team-web", Critical, "11.2.0");
    let mobile = service(world, "mobile-bff", "team-mobile", High, "8.5.1");
    let side = |below: &Below| {
        vec![Call::to(below.list), Call::to(below.suggest).within(300.0, 1).optional()]
    };
    let product = |below: &Below| {
        vec![
            Call::to(below.item),
            Call::to(below.price),
            Call::to(below.stock),
            Call::to(below.suggest).within(300.0, 1).optional().for_share(0.5),
        ]
    };
    let verified = |to: usize, below: &Below| (vec![Call::to(below.verify)], vec![Call::to(to)]);
    let mut page = |front: usize, name: &str, per_s: f64, steps: Vec<Vec<Call>>| {
        let inner = world.operation(front, Http, name, 5.0);
        for step in steps {
            world.step(inner, step);
        }
        let outer_name = outer_name(&world.services[front].name, name);
        let outer = world.operation(ingress, Http, &outer_name, 1.2);
        world.step(outer, vec![Call::to(inner).within(8_000.0, 1)]);
        routes.push(Route { operation: outer, per_s });
    };
    page(web, "GET /", 2.9, vec![side(below)]);
    page(web, "GET /product/{id}", 2.7, vec![product(below)]);
    page(web, "GET /find", 1.6, vec![vec![Call::to(below.search)]]);
    let (verify, add) = verified(below.cart_add, below);
    page(web, "POST /cart", 1.3, vec![verify, add]);
    let (verify, buy) = verified(money.buy, below);
    page(web, "POST /buy", 2.1, vec![verify, buy]);
    let (verify, status) = verified(money.status, below);
    page(web, "GET /my/orders/{id}", 1.0, vec![verify, status]);
    page(mobile, "GET /v2/home", 1.8, vec![side(below)]);
    page(mobile, "GET /v2/items/{id}", 1.3, vec![product(below)]);
    let (verify, buy) = verified(money.buy, below);
    page(mobile, "POST /v2/buy", 1.2, vec![verify, buy]);
    let (verify, status) = verified(money.status, below);
    page(mobile, "GET /v2/orders/{id}", 0.6, vec![verify, status]);
}

/// The ingress sees the web at the root and the app under `/api`.
fn outer_name(front: &str, name: &str) -> String {
    if front == "web" { name.to_owned() } else { name.replacen(" /", " /api/", 1) }
}
