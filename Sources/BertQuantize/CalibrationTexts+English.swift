extension CalibrationTexts {
  /// Questions, commands, searches, chat, news, reviews, code, numbers, short and long.
  static let english = """
    Hello there.
    Thank you!
    Not now.
    See you tomorrow
    Why?
    What time is it?
    Where is the nearest pharmacy?
    How do I reset my password?
    Can you help me move a sofa on Saturday?
    Who painted the ceiling of that chapel?
    Is it safe to eat rice that was left out overnight?
    Which of these two laptops has the longer battery life?
    How many litres are there in a barrel of oil?
    Why does bread rise faster in summer?
    When did the last train to the coast leave?
    Does anyone know a good plumber near the old mill?
    What is the difference between weather and climate?
    how to remove red wine stains from a white tablecloth
    best hiking boots for wide feet
    cheap flights to lisbon in november
    symptoms of vitamin d deficiency in adults
    define photosynthesis
    convert 350 fahrenheit to celsius
    weather tomorrow morning
    python sort list of dictionaries by key
    is my card still blocked
    i lost my phone abroad what should i do
    why was i charged twice for the same order
    the transfer has been pending for three days now
    please close my account and send me the remaining balance
    my new card has not arrived yet
    can i change the delivery address after paying
    how long does a refund take
    I would like to cancel my subscription before the next billing date.
    The cashier gave me a receipt with the wrong amount on it.
    Could you explain the fee of 2.50 on my last statement?
    Turn left after the bridge.
    Open the window, please.
    Add two eggs and stir until smooth.
    Set an alarm for half past six.
    Play something quiet by a string quartet.
    Remind me to water the plants on Friday evening.
    Do not put metal in the microwave.
    Fasten your seat belt and keep it fastened until the sign goes off.
    Save the file, close the editor, and run the tests again.
    Mix the flour with the salt, make a hollow in the middle, pour in the milk a little at a \
    time, and beat it until there are no lumps left.
    Write to us by the end of the month if you do not want the contract to be renewed.
    Delete every line that starts with a number sign.
    A man is playing a guitar on a small stage.
    Two dogs run along the beach.
    A woman in a red coat is waiting for the bus.
    Children are building a castle out of wet sand.
    Someone is slicing an onion.
    The cat sleeps on a pile of clean laundry.
    A boy kicks a ball against the garage door.
    An old couple is dancing in an almost empty hall.
    A chef carries a tray of hot pastries through a narrow kitchen.
    A cyclist repairs a flat tyre at the side of a country road while rain begins to fall.
    Three kittens drink milk from a blue bowl.
    Nobody is sitting at the long table.
    The lamp on the desk is not switched on.
    The city council voted on Tuesday to close the bridge for repairs until the spring.
    Shares in the company fell by 4.2 percent after it lowered its forecast for the year.
    Firefighters rescued a family of five from the roof of their flooded house.
    The minister denied that any decision had been taken and said that talks would go on.
    Voters go to the polls on Sunday in what observers call the closest race in decades.
    A magnitude 5.8 earthquake shook the northern islands early this morning; no damage was \
    reported.
    The striker scored twice in the second half, and the visitors never recovered.
    Researchers have found the remains of a wooden ship beneath the harbour, and they believe \
    that it sank more than six hundred years ago with a cargo of salt, wool and barrels of \
    herring.
    Oil prices rose for a third day as storms kept tankers in port.
    The court will hear the appeal in September, a spokeswoman said.
    Unemployment fell to its lowest level since records began, although wages grew more slowly \
    than prices.
    The museum reopened on Thursday after two years of renovation that cost 31 million.
    Police are looking for the driver of a grey van that was seen near the station at about 11 \
    p.m.
    Heavy snow closed schools in four counties and left 12,000 homes without power.
    The two countries signed an agreement on fishing rights after nine months of negotiation.
    The river is expected to reach its highest point on Wednesday night.
    He resigned on Monday, less than a week after the report was published.
    The bill passed by 214 votes to 198.
    A spokesman for the airline said that all passengers had been offered a seat on a later \
    flight.
    The orchestra has named its first conductor from outside the country since 1952.
    Great little café, friendly staff, terrible parking.
    The battery lasts two hours at most. Very disappointed.
    Five stars. Arrived early, works perfectly, and the manual is actually readable.
    I have bought three pairs of these shoes, and each pair fell apart within a year.
    The plot makes no sense, but the actors are clearly enjoying themselves, and so did I.
    Room was clean, breakfast was average, the view from the balcony was worth every cent.
    Do NOT buy this!!! It broke after one day.
    Meh.
    Honestly the best soup I have ever had, and I do not even like lentils.
    The sound is fine for the price, though the left side cuts out when I walk.
    Too sweet for me, but my kids finished the whole box in an evening.
    Would recommend to a friend, with the warning that the sizes run small.
    lol ok
    omg that is so funny, I can't even
    brb, someone is at the door
    Sorry, I only just saw your message! Are we still on for tonight?
    u coming or not??
    No worries, take your time :)
    happy birthday!!! hope you have an amazing day
    That's not what I meant at all.
    Well, if you put it that way, maybe we should.
    I'd have called, but my phone died.
    Hmm, let me think about it and get back to you by Monday.
    haha yes, exactly, and then he fell asleep in the middle of his own speech
    We can't meet at 3; does 4:30 work for everyone?
    Dear Sir or Madam, I am writing to complain about the noise from the building site next door.
    Thanks in advance for your help, and best regards to the whole team.
    Please find attached the minutes of yesterday's meeting and a list of the open questions.
    As discussed on the phone, we will deliver 48 units in the first week of March and the rest \
    by the end of June.
    To whom it may concern: the tenant has always paid on time and left the flat in good order.
    The function returns null when the list is empty.
    Segmentation fault (core dumped)
    error: expected ';' after expression
    Cannot connect to the database: connection refused on port 5432.
    for (int i = 0; i < n; i++) { total += values[i]; }
    def area(width, height): return width * height
    SELECT name, COUNT(*) FROM orders WHERE total > 100 GROUP BY name;
    git checkout -b fix-typo && git commit -am "Fix a typo"
    let result = try await client.fetch(url, timeout: .seconds(30))
    if x is None or len(x) == 0: raise ValueError("empty input")
    https://www.example.com/index.html?page=2&sort=asc
    user.name+tag@example.org
    /usr/local/lib/libexample.so.3
    The server answers with status 404 when there is no such page and with 500 when something \
    else goes wrong.
    To install the package, download the archive, verify its checksum, unpack it, and run the \
    script in the top folder.
    Memory is allocated once, when the program starts, and it is never given back to the system.
    A hash table stores pairs of keys and values and finds a value by its key in constant time on \
    average.
    The cache holds the most recent results, so that a second request for the same page takes \
    less than a millisecond.
    The protocol is described in section 4.3.1; implementations must ignore fields that they do \
    not know.
    The patch fixes a race between two threads that both try to close the same file.
    Licensed under the terms in the file that accompanies this software; without warranty of any \
    kind.
    Raise the limit with --max-size, or split the input into smaller pieces.
    The kernel keeps a queue of runnable tasks for each processor and balances them every few \
    milliseconds.
    Training stopped after 12 epochs because the validation loss no longer improved.
    The gradient of a sum is the sum of the gradients.
    Let f be a continuous function on the closed interval [0, 1]; then f attains its maximum.
    The square of the hypotenuse equals the sum of the squares of the other two sides.
    There are infinitely many prime numbers.
    If A implies B and B is false, then A is false as well.
    E = mc^2
    3.14159 26535 89793
    12 + 30 = 42
    0
    1,234,567.89
    The temperature dropped from 21.5 to -3 degrees within six hours.
    Call 555-0134 between 9 a.m. and 5 p.m.
    Flight XK 482 departs at 07:45 from gate B17.
    ISBN 0-000-00000-0, 312 pages, hardcover.
    On 29 February 2024 the office opens at 8:00.
    Chapter 7, page 143, second paragraph
    v2.10.0-beta.3
    $19.99 (was $34.95), free shipping over $50
    1. Preheat the oven to 180 °C. 2. Butter the tin. 3. Bake for 25–30 minutes.
    Water boils at a lower temperature on high mountains because the pressure of the air is lower \
    there.
    The heart pumps about five litres of blood through the body every minute.
    Bees tell each other where flowers are by dancing.
    Mitochondria produce most of the energy that a cell uses.
    The patient was given 250 mg of the antibiotic twice a day for ten days.
    No significant difference was found between the two groups (p = 0.41).
    The enzyme loses its activity above 60 degrees, when the protein unfolds.
    Most of the mass of an atom is in its nucleus, which is surrounded by electrons.
    The planet orbits a dim red star about forty light years away.
    Granite forms when magma cools slowly, deep below the surface.
    Whales are mammals: they breathe air and feed their young with milk.
    In a series circuit the same current flows through every component.
    The vaccine trains the immune system to recognise a protein on the surface of the virus.
    Photosynthesis turns carbon dioxide and water into sugar and oxygen, using the energy of \
    light.
    Samples were centrifuged at 3,000 rpm for 15 minutes, and the supernatant was stored at -80 \
    °C until analysis.
    We propose a method that learns sentence representations without labels, and we show that it \
    performs as well as supervised methods on seven tasks.
    The contract may be terminated by either party with three months' notice in writing.
    The defendant shall pay the costs of the proceedings.
    Nothing in this agreement limits the liability of a party for death or personal injury caused \
    by negligence.
    Any dispute that arises out of or in connection with this contract shall be settled by \
    arbitration under the rules in force on the date on which the notice of arbitration is \
    submitted.
    The empire reached its greatest extent in the second century, when its roads connected the \
    deserts of the south with the forests of the north.
    She was born in a village by the sea, studied mathematics in the capital, and spent most of \
    her life teaching in mountain schools.
    The treaty ended thirty years of war, but it did not bring peace.
    The tower was built in 1889 and was meant to stand for twenty years only.
    In those days a letter took six weeks to cross the ocean.
    The printing press made books cheap, and cheap books made readers.
    The king had three daughters, and the youngest of them could speak with birds.
    It was a grey morning in late November, and the whole town smelled of smoke and wet leaves.
    "Come in," she said, "but leave your boots outside."
    He walked as one walks who has nowhere to be and plenty of time to get there.
    Nobody had lived in the house since the fire, or so people said.
    The rain had stopped, the street lamps were reflected in the puddles, and somewhere far away \
    a train whistled twice before it disappeared into the tunnel.
    Shall we go, you and I, before the others wake?
    The moon hung over the field like a coin that somebody had forgotten to spend.
    He laughed, although there was nothing to laugh about.
    Time heals what reason cannot.
    Don't count your chickens before they hatch.
    The early bird catches the worm, but the second mouse gets the cheese.
    Every door is locked except the one at the end of the corridor.
    She has never been late, not once, in eleven years.
    I neither agree nor disagree with the proposal.
    If it had not rained, we would have finished the roof by now.
    The book that the man whom you met yesterday recommended is out of print.
    Only three of the forty applicants were invited.
    All but one of the lights went out.
    He said that he would come, but he didn't say when.
    The more I read about it, the less I understand.
    You can have tea or coffee, not both.
    The chair is too heavy for me to lift, so I dragged it across the floor.
    The film is not bad, just not as good as the book.
    It is unlikely that the results would have been different.
    We ran out of milk again.
    My sister's neighbour's dog barks all night.
    Grandmother keeps her buttons in a biscuit tin.
    The bakery on the corner sells out of rye bread before ten.
    I'm learning to play the cello at fifty-three.
    The kids want pancakes, the cat wants tuna, and I want to go back to bed.
    We painted the kitchen yellow and regretted it within a week.
    How much does it cost to replace a cracked window in a rented flat?
    My back hurts when I sit for more than an hour; is swimming a good idea?
    Which vegetables can be planted next to tomatoes?
    Tips for a first job interview in another language
    Recipe: chickpea stew with spinach and lemon, serves four, 35 minutes
    For sale: bicycle, hardly used, new brakes, 120 or nearest offer
    Wanted: quiet flatmate for a sunny room near the university, no smokers, cats welcome
    Meeting moved to room 204.
    Out of office until 7 January; for urgent matters contact the front desk.
    Lost: brown leather wallet between the library and the market square
    The lecture on medieval trade starts at noon in the main hall and is open to everyone.
    Mind the gap.
    No entry
    EXIT
    TERMS AND CONDITIONS APPLY
    BREAKING: MARKETS CLOSED EARLY AFTER TECHNICAL FAILURE
    iPhone vs. Android, which one should I get in 2025?
    The MRI showed no abnormality, but the GP referred her to a neurologist anyway.
    NATO, UNESCO, and the WHO all sent observers.
    The CEO, the CFO and two VPs left within a quarter.
    Mr. O'Neill-Smith, Ph.D., lives at 42B Baker's Row.
    Rock 'n' roll isn't dead; it just smells funny.
    state-of-the-art, end-to-end, easy-to-use
    ...
    ?!
    #nofilter @somebody look at this
    ~ * ~ * ~
    (see figure 2a; cf. table 5)
    "Quotes 'inside' quotes" — and a dash – and another - done.
    naïve café, jalapeño, crème brûlée, Dvořák, smörgåsbord
    ﬁne print and ½ of ¾ cups, 5 µm, 20 €, £8, ¥900
    100% of the people 👍 liked it 😂😂
    I ❤ you ☀️
    The quick grey fox jumps over a lazy hound, and nobody writes it down.
    aaaaaaaaaaaaaaaaaaaa
    asdf qwer zxcv
    antidisestablishmentarianism
    pneumonia, bronchitis, tuberculosis, asthma
    red green blue yellow orange purple black white
    one two three four five six seven eight nine ten
    Monday, Tuesday, Wednesday
    Paris London Berlin Madrid Rome Vienna Warsaw Athens
    salt pepper cumin paprika
    It is, of course, entirely possible, as some of the older members of the committee have \
    pointed out more than once, that the original plans were lost in the move, in which case the \
    only way to find out where the pipes run is to dig, slowly and by hand, from the well towards \
    the house.
    In this paper we study how the rounding of weights and activations to eight bits changes the \
    vectors that an encoder computes, where the error enters, how it grows from one layer to the \
    next, and which simple measures, taken before the model is stored, remove the greater part of \
    it at no cost in speed.
    When the ferry finally left, an hour late and with half of its passengers asleep on their \
    suitcases, the sun was already setting behind the islands, and the children who had been \
    promised dolphins were given, instead, a bag of warm chestnuts and a story about a lighthouse \
    keeper who taught seagulls to deliver letters.
    Although the company had announced in its annual report that it would invest more than two \
    billion in new factories, analysts doubted that demand would be large enough, given that its \
    three main competitors were expanding as well, that interest rates remained high, and that \
    customers had begun to postpone large purchases.
    The committee thanks the volunteers.
    Our train leaves from platform nine.
    Which key fits this lock?
    He owes me an apology and twenty dollars.
    There is a spider in the bath again.
    Rainfall was below average for the fourth month in a row.
    The patient has no known allergies.
    Insurance does not cover damage caused by frost.
    Supply and demand determine the price.
    Interest is compounded monthly at an annual rate of 3.6 %.
    The goalkeeper was sent off in the 88th minute.
    She won silver in the 400 metres and bronze in the relay.
    Checkmate in three moves.
    The violin part is harder than it sounds.
    The exhibition shows 60 photographs of empty swimming pools.
    A sonnet has fourteen lines.
    The translation loses the puns but keeps the rhythm.
    Knit two, purl two, repeat to the end of the row.
    Sand lightly between coats and let each coat dry for four hours.
    Check the oil before you start the engine.
    The tractor got stuck in the mud beside the barn.
    Sheep are moved to the high pastures in May.
    Wheat, barley and oats are sown in autumn or in spring.
    The software update will be installed tonight between 2 and 4 a.m.; your device will restart \
    twice.
    Your verification code is 804 217. Do not share it with anyone.
    Your parcel was handed to a neighbour.
    The password must have at least twelve characters, one of them a digit.
    Two-factor authentication is now required for all accounts.
    """
}
